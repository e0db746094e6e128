"""README, glossary, bibliography, API pages and table of contents agree with what is there."""

import json
import re
import tomllib

import pytest
import yaml
from site_build import ROOT, chapters, toc_pages

import recsys_utils

README = (ROOT / "README.md").read_text("utf8")
BOOK = ROOT / "book"
SOURCES = [*BOOK.rglob("*.md")]


def targets() -> set[str]:
    """Targets of the Makefile that a reader may call."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE))


@pytest.mark.parametrize("name", ["README.md", "book/how-to-run.md", "book/style-guide.md"])
def test_commands_named_exist(name):
    text = (ROOT / name).read_text("utf8")
    named = set(re.findall(r"(?:^|`|=synthetic )make ([a-z]+)\b", text, re.MULTILINE))
    assert named
    assert named <= targets()


def test_readme_tells_the_two_commands_and_the_terms():
    for word in ("make book", "make test", "MIT", "CC BY 4.0", "CITATION.cff", "Harper", "redistribut"):
        assert word in README


def test_readmes_links_hold():
    links = re.findall(r"\]\(([^)#]+)", README) + re.findall(r'(?:src|href)="([^"#]+)"', README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


def test_readme_quotes_what_the_notebooks_printed():
    rows = re.findall(r"^\| (.*?) \| (.*?) \| \[.*?\]\((notebooks/.*?)\) \|$", README, re.MULTILINE)
    assert len(rows) >= 5
    for question, answer, notebook in rows:
        cells = json.loads((ROOT / notebook).read_text("utf8"))["cells"]
        printed = json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
        for figure in re.findall(r"\d+\.\d+|\d+%", f"{question} {answer}"):
            pattern = rf"(?<![\d.]){re.escape(figure)}(?!\d)"
            assert re.search(pattern, printed), f"{notebook} prints no {figure}"


def test_pictures_are_small():
    for path in BOOK.rglob("*.png"):
        assert path.stat().st_size < 300_000, path


def test_every_notebook_is_in_the_table_of_contents():
    assert {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")} == {
        page for page in toc_pages() if page.startswith("notebooks/")
    }


def test_chapters_stand_in_the_same_order_everywhere():
    listed = re.findall(r"^(notebooks/[\w-]+): ", (BOOK / "index.md").read_text("utf8"), re.MULTILINE)
    assert listed == chapters()
    section = README.split("## Chapters")[1].split("\n## ")[0]
    assert re.findall(r"^1\. \[.*?\]\((notebooks/[\w-]+)\.ipynb\)", section, re.MULTILINE) == chapters()


def test_the_table_of_contents_numbers_every_chapter_and_nothing_else():
    """A chapter is what opens with the box of chapters; executed pages beside them have none."""
    opened = [
        page for page in toc_pages() if page.startswith("notebooks/")
        and ":class: chapter-opening" in (BOOK / "chapters" / f"{page[10:]}.md").read_text("utf8")
    ]
    assert opened == chapters()


def test_every_page_is_in_the_table_of_contents():
    sources = [path for path in SOURCES if path.parent.name != "chapters"]
    pages = {path.relative_to(ROOT).with_suffix("").as_posix() for path in sources}
    assert pages == {page for page in toc_pages() if page.startswith("book/")}


def test_glossary_is_in_alphabetical_order():
    text = (BOOK / "glossary.md").read_text("utf8")
    body = text[text.index("```{glossary}") :].splitlines()[1:]
    entries, previous = [], ""
    for line in body:
        if line and not line.startswith((" ", "`")) and not (previous and not previous.startswith(" ")):
            entries.append(line)
        previous = line
    assert len(entries) > 20
    assert entries == sorted(entries, key=str.casefold)


def test_bibliography_has_unique_keys_that_all_occur():
    keys = re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text("utf8"), re.MULTILINE)
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z]+\d{4}[a-z0-9]+", key) for key in keys), keys
    cited = set()
    for path in SOURCES:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text("utf8")):
            cited.update(key.strip() for key in group.split(","))
    assert cited - set(keys) == set()


def test_api_pages_hold_every_module_that_a_page_imports():
    text = README + "".join(path.read_text("utf8") for path in SOURCES)
    imported = set(re.findall(r"(?:from|import) recsys_utils\.(\w+)", text)) | {"interactions", "errors"}
    documented = "".join(path.read_text("utf8") for path in (BOOK / "api").glob("*.md"))
    assert imported <= set(re.findall(r"automodule:: recsys_utils\.(\w+)$", documented, re.MULTILINE))


def test_citation_file_is_well_formed():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= set(citation)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert citation["version"] == project["version"] == recsys_utils.__version__


def test_licences():
    assert (ROOT / "LICENSE").read_text("utf8").startswith("MIT License")
    assert "Creative Commons Attribution 4.0 International" in (BOOK / "LICENSE").read_text("utf8")
