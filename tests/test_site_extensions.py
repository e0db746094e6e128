"""The book's own Sphinx extensions, each against small inputs."""

import json
import sys
from types import SimpleNamespace

import pytest
from site_build import ROOT

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
        {"cell_type": "markdown", "source": ["# 3 · SVD\n", "text"]},
        {"cell_type": "code", "source": ["1"], "execution_count": 1},
        {"cell_type": "code", "source": ["2"], "execution_count": None},
        {"cell_type": "code", "source": [], "execution_count": None},
    ]
    return json.dumps({"cells": cells, "metadata": metadata})


def test_status_reads_what_execution_stored(tmp_path):
    path = tmp_path / "svd.ipynb"
    stored = {"seconds": 12.3, "executed": "2026-11-23", "data": ["ml-100k"], "versions": {"numpy": "2.4"}}
    path.write_text(notebook(recsys_utils=stored))
    assert notebook_lists.read_status(path) == {"title": "3 · SVD", "cells": 2, "unexecuted": 1, **stored}


def test_status_of_a_notebook_that_stored_nothing(tmp_path):
    path = tmp_path / "svd.ipynb"
    path.write_text(notebook())
    status = notebook_lists.read_status(path)
    assert (status["seconds"], status["executed"], status["data"]) == (None, None, [])


def page(*repairs):
    return "<html>" + "".join(before for before, _ in repairs) + "</html>"


def test_repairs_are_made_everywhere_but_in_static_files(tmp_path):
    (tmp_path / "_static").mkdir()
    for name in ("a.html", "_static/b.html"):
        (tmp_path / name).write_text(page(*site_a11y.THEME, *site_a11y.CONTENT))
    site_a11y._repair(application(tmp_path), None)
    assert (tmp_path / "a.html").read_text() == "<html>" + "".join(
        after for _, after in (*site_a11y.THEME, *site_a11y.CONTENT)
    ) + "</html>"
    assert "<style scoped>" in (tmp_path / "_static/b.html").read_text()


def test_a_theme_that_changed_fails_the_build(tmp_path):
    (tmp_path / "a.html").write_text(page(*site_a11y.THEME[1:]))
    with pytest.raises(ExtensionError, match="Search"):
        site_a11y._repair(application(tmp_path), None)


def test_repairing_twice_is_no_failure(tmp_path):
    (tmp_path / "a.html").write_text(page(*site_a11y.THEME))
    site_a11y._repair(application(tmp_path), None)
    site_a11y._repair(application(tmp_path), None)


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
