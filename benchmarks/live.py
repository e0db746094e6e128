"""How long the live recommender needs for an update in the browser, and how much it loads.

An update is what follows a click: fold-in, scores of all films, the ten best and their explanations, as ``maths.js``
does them, for random histories of each length. Reported is the median of the updates.

Run with ``python -m benchmarks.live``; writes ``benchmarks/results/live.md``.
"""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
from playwright.sync_api import sync_playwright

from benchmarks._results import TINY, markdown, write_results

FOLDER = Path(__file__).parents[1] / "book" / "_static" / "live"
LENGTHS = (1, 5, 20, 100)
UPDATES = 5 if TINY else 200

SCRIPT = """([file, length, updates]) => {
    const all = Live.vectorsOf(file), times = [];
    let state = 1;
    const random = n => (state = state * 48271 % 2147483647) % n;
    for (let k = 0; k < updates; k++) {
        const seen = new Set();
        while (seen.size < length) seen.add(random(all.n));
        const began = performance.now();
        const folded = Live.foldIn(all, [...seen].map(row => [row, 5]), file.settings);
        const scores = Live.scores(all, folded.x);
        for (const film of Live.best(scores, 10, seen))
            Live.contributions(all, folded, all.vectors.subarray(film * all.f, (film + 1) * all.f));
        times.push(performance.now() - began);
    }
    return times;
}"""


def main() -> None:
    """Measure and write."""
    file = json.loads((FOLDER / "model.js").read_text("utf8").partition("=")[2].rstrip().removesuffix(";"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        rows = []
        for length in LENGTHS:
            page = browser.new_page()
            page.add_script_tag(path=FOLDER / "maths.js")
            times = pd.Series(page.evaluate(SCRIPT, [file, length, UPDATES]))
            rows.append({"films": length, "median, ms": times.median()})
            page.close()
        version = browser.version
        browser.close()
    sizes = pd.DataFrame(
        [{"file": path.name, "kB": path.stat().st_size / 1000} for path in sorted(FOLDER.iterdir())]
    )
    about = (
        f"{UPDATES} updates each of a reader with so many random films, among {len(file['ids']):,} films with "
        f"{len(file['units'])} factors, in Chromium {version.split('.')[0]}, one page after the other."
    )
    write_results(
        "live", "Live recommender: an update in the browser", about,
        markdown(pd.DataFrame(rows), {"median, ms": ".1f"}),
        "## What is loaded", markdown(sizes, ".1f"),
    )


if __name__ == "__main__":
    main()
