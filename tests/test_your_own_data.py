"""The code on the page "Your own data" runs as printed, on an invented file with text ids."""
import re
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_utils.models import ImplicitALS

PAGE = Path(__file__).resolve().parents[1] / "book" / "your-own-data.md"


def invented_log(n=6_000, customers=150, products=60):
    """Customers who mostly buy from one half of the shelf."""
    rng = np.random.default_rng(0)
    who = rng.integers(customers, size=n)
    half = np.where(rng.random(n) < 0.8, who % 2, rng.integers(2, size=n))
    what = half * (products // 2) + np.minimum(rng.geometric(0.1, size=n) - 1, products // 2 - 1)
    when = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(300, size=n), "D")
    columns = {"customer": [f"c-{w}" for w in who], "product": [f"p-{w}" for w in what]}
    columns |= {"clicks": rng.integers(1, 5, size=n), "date": when.strftime("%Y-%m-%d")}
    return pd.DataFrame(columns | {"stars": np.clip(3 + what % 3 - who % 2 + rng.integers(-1, 2, size=n), 1, 5)})


def test_the_page_runs_as_printed(tmp_path, monkeypatch, capsys):
    block, of_stars = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 25
    assert len([line for line in of_stars.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(tmp_path)
    log = invented_log()
    log.to_csv("log.csv", index=False)
    names = {}
    exec(block, names)
    printed = capsys.readouterr().out
    assert printed.count("Best of 10 trials") == 2
    assert names["data"].n_users == log["customer"].nunique()
    assert len(names["data"]) < len(log), "repeated pairs were added up"
    gain = names["paired_difference"](names["reports"]["ALS"], names["reports"]["popularity"])
    assert gain.low > 0, "a model that learns the halves is ahead of popularity"
    ids, _ = ImplicitALS.load("model.npz", names["data"]).recommend("c-0", n=10)
    assert (ids == names["model"].recommend("c-0", n=10)[0]).all()
    assert names["model"].recommend_for(["p-1"], [2.0])[0][0] in set(log["product"])

    exec(of_stars, names)
    printed = capsys.readouterr().out
    assert printed.count("Best of 10 trials") == 1
    assert "biases alone" in printed
    assert names["data"].times is None, "time may be left out"
    assert 1 <= names["stars"].predict("c-0", "p-1") <= 5
