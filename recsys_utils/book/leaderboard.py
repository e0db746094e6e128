"""The recorded leaderboard: what every contender reached on the test part, user by user, and what it cost.

``python -m benchmarks.leaderboard`` writes the record; the chapter on choosing reads it and recomputes a part.
"""
from __future__ import annotations

import json
import zlib
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from ..errors import InvalidInput
from ..evaluation import RatingReport, Report
from ..split import Split

ROWS, PER_USER = "leaderboard.json", "leaderboard.npz"
UNITS = {"ratings": 1e-3, "lists": 1e-4}  # of the recorded whole numbers: squared errors of a user, nDCG@10


@cache
def _rows() -> dict:
    return json.loads(files(__package__).joinpath(ROWS).read_text("utf8"))


@cache
def _per_user() -> dict[str, np.ndarray]:
    with files(__package__).joinpath(PER_USER).open("rb") as file, np.load(file) as arrays:
        return dict(arrays)


def fingerprint(split: Split) -> int:
    """A number that tells whether two splits hold the same rows."""
    parts = (split.train.item_rows, split.train.values, split.test.item_rows, split.test.values)
    return zlib.crc32(b"".join(part.tobytes() for part in parts))


def leaderboard(data_set: str, task: str, split: str = "random") -> tuple[pd.DataFrame, dict[str, Report], int]:
    """What was recorded for all contenders of a competition.

    Parameters
    ----------
    data_set : {"ml-latest-small", "ml-100k", "lastfm-2k"}
    task : {"ratings", "lists"}
    split : {"random", "time"}
        The competition's own split, or the latest fifth of all rows held out.

    Returns
    -------
    rows : DataFrame
        One row a contender: ``score`` (RMSE, or nDCG@10), ``trials`` of its search, and for the random split
        ``fit seconds``, ``list seconds`` (one user's list of ten), ``bytes``, ``new users``, ``new items``, and what
        lies beyond the accuracy of lists.
    reports : dict of str to Report
        For :func:`~recsys_utils.evaluation.paired_difference`; users are numbered, not named.
    fingerprint : int
        That of the split.
    """
    try:
        found = _rows()[f"{data_set}/{task}/{split}"]
    except KeyError:
        raise InvalidInput(f"nothing is recorded for {data_set}/{task}/{split}: pass one of {list(_rows())}") from None
    rows = pd.DataFrame.from_dict(found["rows"], orient="index")
    units = UNITS[task] * _per_user()[f"{data_set}/{task}/{split}"]
    if task == "lists":
        users = range(units.shape[1])
        reports = [Report.from_columns(users, **{"ndcg@10": values}) for values in units]
    else:
        ratings = _per_user()[f"{data_set}/{task}/{split}/ratings"]
        columns = {"absolute_error": np.zeros(len(ratings)), "ratings": ratings}
        reports = [RatingReport(pd.DataFrame({"squared_error": values} | columns)) for values in units]
    return rows, dict(zip(rows.index, reports, strict=True)), found["fingerprint"]
