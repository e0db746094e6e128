"""What the executed pages beside the chapters promise: fourteen errata measured, published figures computed again."""

import json
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def tables(name: str) -> list[list[list[str]]]:
    """The rows of each table that a stored notebook shows, heads first."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells if cell.cell_type == "code"
        for output in cell.outputs if "text/html" in output.get("data", {})
    ]
    return [
        [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)]
        for text in shown if "<table" in text
    ]


def test_all_fourteen_errata_are_measured():
    heads, *rows = tables("errata")[0]
    assert heads == ["No.", "The line", "Measured", "Done properly in"]
    assert [row[0] for row in rows] == [str(number) for number in range(1, 15)]
    assert all(re.search(r"\d", row[2]) for row in rows), "each effect is a number"
    assert len({row[1] for row in rows}) == 14


def test_each_erratum_leads_to_a_chapter():
    text = (ROOT / "book" / "chapters" / "errata.md").read_text("utf8")
    sections = re.split(r"^## \d+\. ", text, flags=re.MULTILINE)[1:]
    assert len(sections) == 14
    for section in sections:
        repair = section.partition("**The repair**")[2]
        assert re.search(r"\[\]\([\w-]+\.ipynb\)", repair), section[:60]


def test_reproductions_are_recorded_with_their_sources():
    rows = sum(json.loads((ROOT / "benchmarks" / "results" / "reproductions.json").read_text("utf8")).values(), [])
    assert len(rows) >= 12
    keys = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text("utf8"), re.MULTILINE))
    assert {row["source"] for row in rows} <= keys
    page = (ROOT / "book" / "chapters" / "reproductions.md").read_text("utf8")
    assert all(f"`{row['source']}`" in page for row in rows), "a source is not cited on the page"
    assert len({(row["source"], row["figure"], row["by"], row["metric"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["low"] <= row["ours"] <= row["high"]
        assert (row["values"] == 1) == (row["kind"] == "exact")
        reach = row["high"] - row["ours"] + 0.5 * 10.0 ** -len(row["published"].partition(".")[2]) + 1e-9
        met = abs(row["ours"] - float(row["published"])) <= reach
        assert row["verdict"] == ("reproduced" if met else "not reproduced")


def test_the_page_of_reproductions_shows_every_row():
    rows = sum(json.loads((ROOT / "benchmarks" / "results" / "reproductions.json").read_text("utf8")).values(), [])
    assert [row[4] for row in tables("reproductions")[0][1:]] == [row["published"] for row in rows]
