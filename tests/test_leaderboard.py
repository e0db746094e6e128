"""The recorded leaderboard: figures of users and of contenders agree, and it holds no ratings."""
import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from recsys_utils import Interactions
from recsys_utils.book import contenders, fingerprint, leaderboard
from recsys_utils.errors import InvalidInput
from recsys_utils.split import random_holdout

FOLDER = files(contenders.__package__)
BOARDS = [board.split("/") for board in json.loads(FOLDER.joinpath("leaderboard.json").read_text("utf8"))]


@pytest.mark.parametrize("board", BOARDS, ids="/".join)
def test_scores_follow_from_the_figures_of_users(board):
    rows, reports, _ = leaderboard(*board)
    assert list(rows.index) == list(reports)
    scores = [report.mean().iloc[0] for report in reports.values()]
    np.testing.assert_allclose(scores, rows["score"], atol=2e-4)
    assert len({len(report.per_user) for report in reports.values()}) == 1


def test_costs_are_recorded_for_the_random_split():
    rows, _, _ = leaderboard("ml-100k", "lists")
    assert (rows[["fit seconds", "list seconds", "bytes"]] > 0).all(axis=None)
    assert rows["new users"].dtype == rows["new items"].dtype == bool


def test_unknown_board_is_refused_by_name():
    with pytest.raises(InvalidInput, match="nothing is recorded for ml-100k/magic/random"):
        leaderboard("ml-100k", "magic")


def test_fingerprint_tells_splits_apart():
    log = pd.DataFrame({"userId": np.repeat(range(20), 20), "movieId": np.tile(range(20), 20)})
    data = Interactions.from_frame(log.assign(rating=1.0 + log["movieId"] % 5))
    one, same, other = (random_holdout(data, rng=seed) for seed in (0, 0, 1))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_the_record_is_small():
    assert sum(len(FOLDER.joinpath(name).read_bytes()) for name in ("leaderboard.json", "leaderboard.npz")) < 200_000
