"""The book's own Sphinx extensions, each against small inputs."""

import json
import sys
from types import SimpleNamespace

import pytest
from site_build import ROOT, find_browser

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import api_docs  # noqa: E402
import notebook_lists  # noqa: E402
import offline_mathjax  # noqa: E402
import site_a11y  # noqa: E402
import site_head  # noqa: E402
from docutils import nodes  # noqa: E402
from sphinx.errors import ExtensionError  # noqa: E402


def application(folder):
    return SimpleNamespace(outdir=folder, builder=SimpleNamespace(name="html", format="html"))


def test_references_of_docstrings_become_lists():
    lines = ["As in [2]_ and [1]_.", "", "References", "----------", ".. [1] One.", "   .. [2]  Two."]
    api_docs._plain_references(None, "function", "f", None, None, lines)
    assert lines[0] == "As in [2] and [1]."
    assert lines[4:] == ["1. One.", "   2. Two."]


def notebook(**metadata):
    cells = [
        {"cell_type": "markdown", "source": ["# SVD\n", "text"]},
        {"cell_type": "code", "source": ["1"], "execution_count": 1},
        {"cell_type": "code", "source": ["2"], "execution_count": None},
        {"cell_type": "code", "source": [], "execution_count": None},
    ]
    return json.dumps({"cells": cells, "metadata": metadata})


def test_status_reads_what_execution_stored(tmp_path):
    path = tmp_path / "svd.ipynb"
    stored = {"seconds": 12.3, "executed": "2026-11-23", "data": ["ml-100k"], "versions": {"numpy": "2.4"}}
    path.write_text(notebook(recsys_utils=stored))
    assert notebook_lists.read_status(path) == {"title": "SVD", "cells": 2, "unexecuted": 1, **stored}


def test_status_of_a_notebook_that_stored_nothing(tmp_path):
    path = tmp_path / "svd.ipynb"
    path.write_text(notebook())
    status = notebook_lists.read_status(path)
    assert (status["seconds"], status["executed"], status["data"]) == (None, None, [])


PAGE = """<button title="Search" aria-label="Search">Search</button><button aria-label="Color mode">dark</button>
<div id="pst-primary-sidebar" class="x"></div>
<script defer src="../_static/scripts/fontawesome.js?digest=55"></script><summary aria-label="Toggle hidden content">"""
REPAIRED = """<button title="Search">Search</button><button>dark</button>
<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class="x"></div><summary>"""


def test_repairs_are_made_everywhere_but_in_static_files(tmp_path):
    (tmp_path / "_static").mkdir()
    for name in ("a.html", "_static/b.html"):
        (tmp_path / name).write_text(PAGE)
    site_a11y._repair(application(tmp_path), None)
    assert (tmp_path / "a.html").read_text() == REPAIRED
    assert (tmp_path / "_static/b.html").read_text() == PAGE


def test_a_theme_that_changed_fails_the_build(tmp_path):
    (tmp_path / "a.html").write_text(PAGE.replace('title="Search"', "title='Search'"))
    with pytest.raises(ExtensionError, match="Search"):
        site_a11y._repair(application(tmp_path), None)


def test_repairing_twice_changes_nothing(tmp_path):
    (tmp_path / "a.html").write_text(PAGE)
    site_a11y._repair(application(tmp_path), None)
    site_a11y._repair(application(tmp_path), None)
    assert (tmp_path / "a.html").read_text() == REPAIRED


def test_a_wheel_without_mathjax_fails_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(offline_mathjax, "files", lambda name: [])
    with pytest.raises(ExtensionError, match="MathJax"):
        offline_mathjax._copy(application(tmp_path), None)


def paragraph(*children):
    return nodes.paragraph("", "", *children)


def test_description_is_the_first_plain_paragraph():
    box = nodes.admonition("", paragraph(nodes.Text("A box that stands before the text and is long. " * 2)))
    formula = paragraph(nodes.Text("With a formula, which no search engine shows: " * 2), nodes.math("", "x"))
    plain = paragraph(nodes.Text("word " * 60))
    section = nodes.section("", box, formula, plain)
    text = site_head._description(section, "fallback")
    assert text.startswith("word word")
    assert text.endswith("word …")
    assert len(text) <= site_head.LONGEST + 2
    assert site_head._description(None, "fallback") == "fallback"


def test_description_ends_with_a_sentence():
    text = "A first sentence that is long enough to describe a whole page. " * 2
    section = nodes.section("", paragraph(nodes.Text(text + "And one more " + "word " * 40)))
    assert site_head._description(section, "fallback") == text.strip()


def head(base, page="book/index"):
    context = {"title": "Factor by Factor" if page == "book/index" else "SVD", "docstitle": "Factor by Factor"}
    context["pathto"] = lambda name, resource: f"../{name}"
    app = SimpleNamespace(
        config=SimpleNamespace(html_title="Factor by Factor", html_baseurl=base, site_description="About."),
        builder=SimpleNamespace(get_target_uri=lambda name: f"{name}.html"),
    )
    site_head._describe(app, page, "page.html", context, None)
    return context


def test_addresses_are_absolute_where_the_sites_own_is_known(monkeypatch):
    monkeypatch.setenv("BOOK_URL", "https://books.example/factor")
    config = SimpleNamespace(html_baseurl="")
    site_head._set_address(None, config)
    tags = head(config.html_baseurl, "notebooks/svd")["metatags"]
    assert 'og:url" content="https://books.example/factor/notebooks/svd.html"' in tags
    assert 'og:image" content="https://books.example/factor/_static/social-card.png"' in tags
    assert "canonical" not in tags, "Sphinx writes it"
    assert 'canonical" href="svd.html"' in head("", "notebooks/svd")["metatags"]


def test_the_landing_page_is_called_by_its_name_once():
    assert head("")["docstitle"] == ""
    assert head("", "notebooks/svd")["docstitle"] == "Factor by Factor"


def test_inherited_members_of_scikit_learn_are_left_to_it():
    from sklearn.base import BaseEstimator

    assert api_docs._skip_foreign(None, "class", "get_params", BaseEstimator.get_params, False, None) is True
    assert api_docs._skip_foreign(None, "class", "f", head, False, None) is None


def test_mathjax_goes_where_there_is_no_formula():
    loader = SimpleNamespace(filename="mathjax/tex-chtml.js", attributes={})
    for body, kept in (('<span class="math notranslate">x</span>', [loader]), ("<p>text</p>", [])):
        context = {"script_files": [loader], "css_files": [], "body": body}
        site_head._tidy(None, "p", "t", context, None)
        assert context["script_files"] == kept


def test_browser_is_found_by_name_or_on_the_path_or_as_playwrights_own(tmp_path, monkeypatch):
    def program(name):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser(str(tmp_path / "absent")) is None
    own = program("own")
    assert find_browser(own) == own
    chrome = program("google-chrome")
    assert find_browser(own) == chrome
    monkeypatch.setenv("CHROMIUM", program("named"))
    assert find_browser(own) == str(tmp_path / "named")
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(FileNotFoundError, match="no-such-browser"):
        find_browser(own)


def test_thebe_and_doubles_are_dropped():
    def script(filename="", **attributes):
        return SimpleNamespace(filename=filename, attributes=attributes)

    keep, twice = script("a.js"), script(None, body="let x")
    context = {
        "script_files": [
            keep, twice, script("", body="let x"), script("sphinx-thebe.js"), script("", body="THEBE_JS_URL")
        ],
        "css_files": [SimpleNamespace(filename="thebe.css"), SimpleNamespace(filename="book.css")],
        "body": 'text<script type="text/x-thebe-config">\n{}\n</script>\nmore',
    }
    site_head._tidy(None, "p", "t", context, None)
    assert context["script_files"] == [keep, twice]
    assert [sheet.filename for sheet in context["css_files"]] == ["book.css"]
    assert context["body"] == "textmore"
