"""The book's own Sphinx extensions, each against small inputs."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from site_build import ROOT, find_browser

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import api_docs  # noqa: E402
import citation_labels  # noqa: E402
import front_page  # noqa: E402
import notebook_lists  # noqa: E402
import offline_mathjax  # noqa: E402
import search_sections  # noqa: E402
import site_a11y  # noqa: E402
import site_head  # noqa: E402
import site_pages  # noqa: E402
import slim_static  # noqa: E402
from docutils import nodes  # noqa: E402
from pybtex.database import Entry, Person  # noqa: E402
from sphinx.errors import ExtensionError  # noqa: E402
from stored import Stored  # noqa: E402


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
    title = "Factor by Factor" if page == "book/index" else '<span class="section-number">3. </span>SVD'
    context = {"title": title, "docstitle": "Factor by Factor"}
    context["pathto"] = lambda name, resource: f"../{name}"
    app = SimpleNamespace(
        config=SimpleNamespace(html_title="Factor by Factor", html_baseurl=base, site_description="About."),
        env=SimpleNamespace(chapter_cards={"svd": ("A sentence.", None)}),
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
    assert 'og:title" content="3. SVD"' in tags
    assert 'og:image" content="https://books.example/factor/_static/cards/svd.png"' in tags
    landing = head(config.html_baseurl)["metatags"]
    assert 'og:image" content="https://books.example/factor/_static/social-card.png"' in landing
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


# --------------------------------------------------------------- the landing page


def chapter(tmp_path, *outputs, prose="# SVD\n\n**It assumes** [](als.ipynb).\n\n**It runs in** a minute.", **metadata):
    path = tmp_path / "svd.ipynb"
    code = {"cell_type": "code", "source": ["x"], "metadata": metadata, "outputs": [{"data": data} for data in outputs]}
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": [prose]}, code]}))
    return Stored(path)


def test_what_a_notebook_stored_is_found_or_the_build_fails(tmp_path):
    table = "<table><caption>Errors &amp; more</caption><tr><th>a</th></tr><tr><td>0.5</td></tr></table>"
    stored = chapter(tmp_path, {"text/markdown": "RMSE is **3.1**"}, {"text/html": table})
    assert stored.said(r"is \*\*([\d.]+)") == ("3.1",)
    assert stored.table("Errors & more") == [["a"], ["0.5"]]
    assert (stored.title, stored.assumes, stored.minutes) == ("SVD", ["als"], 5)
    assert stored.figure(None) is None
    for call in (lambda: stored.said("4.2"), lambda: stored.table("No such"), lambda: stored.figure("fig-none")):
        with pytest.raises(ExtensionError, match="svd.ipynb"):
            call()


def test_headlines_quote_the_notebooks():
    for name, make in front_page.HEADLINES.items():
        stored = Stored(ROOT / "notebooks" / f"{name}.ipynb")
        title, picture, text = make(stored)
        outputs = json.dumps([cell.get("outputs") for cell in stored.cells])
        figures = re.findall(r"\d\.\d+", text + picture.split("</svg>")[0].split('aria-label="')[1].split('"')[0])
        assert figures
        for figure in figures:
            assert figure in outputs or any(f"{float(n):.2f}" == figure for n in re.findall(r"\d\.\d{3}", outputs))


def test_bars_are_as_long_as_their_values():
    svg = front_page.bars([("a", 1.0, "1.0", False), ("b", 0.5, "0.5", True)], "a & b")
    long, short = (float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', svg))
    assert long == 2 * short
    assert 'aria-label="a &amp; b"' in svg


def test_the_map_leaves_out_what_another_prerequisite_needs():
    assumes = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a", "b"]}
    assert front_page.needed(assumes) == {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}


# ------------------------------------------------------------ beside the pages


def test_the_feed_has_an_entry_for_each_release():
    from xml.etree import ElementTree

    changes = "# Changes\n\n## 0.2.0 (2027-01-02)\n\n- Faster & better.\n\n## 0.1.0 (2026-11-23)\n\n- First.\n"
    tree = ElementTree.fromstring(site_pages.feed(changes, "https://books.example/"))
    atom = "{http://www.w3.org/2005/Atom}"
    assert [e.findtext(f"{atom}title") for e in tree.iter(f"{atom}entry")] == ["Version 0.2.0", "Version 0.1.0"]
    assert tree.findtext(f"{atom}updated") == "2027-01-02T00:00:00Z"
    assert site_pages.RELEASE.findall((ROOT / "CHANGELOG.md").read_text("utf8"))


def test_the_sitemap_has_absolute_addresses():
    assert "<loc>https://books.example/a&amp;b.html</loc>" in site_pages.sitemap("https://books.example/", ["a&b.html"])


def test_an_error_is_reported_with_page_and_version():
    address = site_pages.report_address("https://github.com/a/b", "notebooks/svd", "0.1.0")
    assert address.endswith("/issues/new?template=error.yml&page=notebooks%2Fsvd&version=0.1.0")
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "error.yml").read_text("utf8")
    assert {"id: page", "id: version"} <= {line.strip() for line in form.splitlines()}


def test_a_social_card_has_the_size_that_networks_ask_for():
    card = site_pages.social_card("Evaluation: accuracy and evidence " * 4, "word " * 200, None)
    assert card.size == (1200, 630)


def test_buttons_need_the_repositorys_address(monkeypatch):
    def buttons():
        part = front_page.BookActions.__new__(front_page.BookActions)
        builder = SimpleNamespace(get_relative_uri=lambda a, b: f"{b}.html")
        config = SimpleNamespace(external_toc_path="_toc.yml")
        env = SimpleNamespace(app=SimpleNamespace(srcdir=ROOT, config=config, builder=builder), docname="book/index")
        part.state = SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=env)))
        return part.run()[0].astext()

    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    assert "https://" not in buttons()
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/someone/factor/")
    for address in ("github.com/someone/factor/archive", "mybinder.org/v2/gh/someone/factor/", "/blob/HEAD/notebooks/"):
        assert address in buttons()


# ---------------------------------------------------------------- search, styles


def test_sections_are_indexed_apart_and_without_code():
    inner = nodes.section("", nodes.title("", "Inner"), paragraph(nodes.Text("beta")), ids=["inner"])
    words, code = paragraph(nodes.Text("alpha")), nodes.literal_block("", "gamma")
    outer = nodes.section("", nodes.title("", "Outer"), words, code, inner, ids=["outer"])
    document = nodes.document(None, None)
    document += outer
    found = [(anchor, title, words.astext().split()) for anchor, title, words in search_sections.sections(document)]
    assert found == [("", "Outer", ["Outer", "alpha"]), ("inner", "Inner", ["Inner", "beta"])]


def test_labels_are_author_and_year():
    def entry(year, *names):
        return Entry("article", [("year", year)], {"author": [Person(name) for name in names]})

    koren, rendle = entry("2009", "Koren, Y", "Bell, R", "Volinsky, C"), entry("2020", "Rendle, S")
    entries = [koren, rendle, rendle]
    labels = list(citation_labels.AuthorYear().format_labels(entries))
    assert labels == ["Koren et al., 2009", "Rendle, 2020a", "Rendle, 2020b"]


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".used{a:b}.gone{a:b}", ".used{a:b}"),
        (".gone,p.used>a{a:b}", "p.used>a{a:b}"),
        ("p:not(.gone){a:b}", "p:not(.gone){a:b}"),
        (":is(.gone,.used) p{a:b}", ":is(.gone,.used) p{a:b}"),
        ("@media print{.gone{a:b}}@font-face{x:url('a;{')}", "@font-face{x:url('a;{')}"),
        ('@import "a.css";/* .x{} */[title="a.b"]{a:b}', '@import "a.css";[title="a.b"]{a:b}'),
    ],
)
def test_rules_go_that_match_nothing(css, kept):
    assert slim_static.prune(css, {"used"}) == kept
