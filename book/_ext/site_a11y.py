"""Repairs of the theme's and of notebooks' HTML that no setting and no template makes, done after the build.

A repair of the theme must find its place: a theme that changes its HTML makes the build fail here instead of
silently losing the repair.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.errors import ExtensionError

THEME = (
    # WCAG 2.5.3: the accessible name must contain the visible text.
    (' title="Search" aria-label="Search"', ' title="Search"'),
    (' aria-label="Color mode"', ""),
    # All content stands inside a landmark.
    (
        'id="pst-primary-sidebar" class="',
        'id="pst-primary-sidebar" role="complementary" aria-label="Book" class="',
    ),
    # The icons come from a web font; this script (1.5 MB) draws the same ones again.
    (r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>', ""),
)
CONTENT = (
    # As above, on hidden cells.
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    # The corner cell of a table is no header.
    ('<th class="head"><p></p></th>', '<td class="head"></td>'),
    # ARIA allows this role on elements of list items only, and wants items in a list.
    (' role="doc-biblioentry"', ' role="listitem"'),
    # A control needs a name.
    ('<summary><span class="toctree-toggle"', '<summary aria-label="Below"><span class="toctree-toggle"'),
    # Every exercise of a page has the same id.
    ('<section id="exercise-content">', "<section>"),
    ('<section id="solution-content">', "<section>"),
)

SEARCH = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
SIZED = re.compile(r'<img alt="([^"]*)" src="([^"]*)" style="width: (\d+)px; height: (\d+)px;"')
# An image whose size is known before it is there moves nothing when it comes.
LAZY = r'<img alt="\1" src="\2" width="\3" height="\4" loading="lazy" decoding="async"'


def _repair(app, exc):
    if exc is not None or app.builder.name != "html":
        return
    hits = dict.fromkeys(THEME, 0)
    for page in Path(app.outdir).rglob("*.html"):
        if "_static" in page.relative_to(app.outdir).parts:
            continue
        text = old = page.read_text("utf8")
        for pair in THEME:
            text, count = re.subn(*pair, text)
            hits[pair] += count
        for pair in CONTENT:
            text = text.replace(*pair)
        text = SIZED.sub(LAZY, text)
        if 'id="search-results"' not in text:  # only the page of results searches
            text = SEARCH.sub("", text)
        if text != old:
            page.write_text(text, "utf8")
    # A build that rewrote no page finds pages repaired before.
    missing = [before for (before, _), count in hits.items() if not count]
    if missing and any(hits.values()):
        raise ExtensionError(f"site_a11y: no longer in the theme's HTML: {missing}")


def setup(app):
    app.connect("build-finished", _repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
