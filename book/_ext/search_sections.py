"""Search by section: each section of a page is a document of its own in Sphinx's index, and code is left out.

A section's name is its page's with ``#anchor``; ``search_rank.js``, which Sphinx puts before its own search, takes the
two apart again and ranks prose above the API reference.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes

LEFT_OUT = (
    *(nodes.literal_block, nodes.doctest_block, nodes.raw, nodes.math, nodes.math_block),
    *(addnodes.index, addnodes.glossary),
)


def _without_code(node: nodes.Element) -> nodes.Element:
    """A copy of `node` without code, formulas, raw HTML and nested sections."""
    copy = node.copy()
    for child in node.children:
        if isinstance(child, nodes.Text):
            copy += child.copy()
        elif not isinstance(child, (nodes.section, *LEFT_OUT)):
            copy += _without_code(child)
    return copy


def sections(doctree: nodes.document) -> list[tuple[str, str, nodes.document]]:
    """Anchor ("" for the page itself), title and words of every section and every glossary term of a page."""
    found = []
    for section in doctree.findall(nodes.section):
        title = next(iter(section.findall(nodes.title)), None)
        if title is None:
            continue
        document = new_document("")
        document += _without_code(section)
        anchor = section["ids"][0] if found and section["ids"] else ""
        found.append((anchor, title.astext(), document))
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            term = item.next_node(nodes.term)
            entry = nodes.section("", nodes.title("", term.astext()), _without_code(item[-1]), ids=term["ids"])
            document = new_document("")
            document += entry
            found.append((term["ids"][0], term.astext(), document))
    return found


def _keep_sections(indexer) -> None:
    """Let the index keep the sections of a page that it keeps, not only the page itself."""
    prune = indexer.prune

    def prune_pages(docnames):
        pages = set(docnames)
        prune({place for place in indexer._titles if place.partition("#")[0] in pages})

    indexer.prune = prune_pages


def _by_section(app):
    builder = app.builder
    if builder.name != "html":
        return
    load = builder.load_indexer

    def load_indexer(docnames):
        _keep_sections(builder.indexer)
        load(docnames)

    def index_page(pagename, doctree, title):
        if builder.indexer is None or not title:
            return
        filename = app.env.doc2path(pagename, base=False)
        if pagename.startswith("book/api/"):
            builder.indexer.feed(pagename, filename, title, doctree)
            return
        for anchor, name, document in sections(doctree):
            place = f"{pagename}#{anchor}" if anchor else pagename
            builder.indexer.feed(place, filename, name, document)

    builder.index_page, builder.load_indexer = index_page, load_indexer


def _scorer(app, config):
    config.html_search_scorer = str(Path(__file__).with_name("search_rank.js"))


def setup(app):
    app.connect("config-inited", _scorer)
    app.connect("builder-inited", _by_section)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
