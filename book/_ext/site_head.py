"""What stands in the head of every page (description, social card, canonical address), and what must not.

* A page's description is the beginning of its first plain paragraph, in whole sentences.
* Social cards and canonical links want absolute addresses. The environment variable ``BOOK_URL`` says where the site
  will stand; without it addresses are relative, and the site may be published anywhere.
* MathJax is loaded where there is a formula.
* ``app.add_js_file(None, body=...)`` is written twice by Sphinx 7.4; for Thebe's ``const`` that is an error.
* Thebe (live code through Binder) is not used: its script names a CDN.
"""

from __future__ import annotations

import os
import re
from html import escape
from itertools import accumulate

from docutils import nodes

LONGEST = 200  # characters of a description
CARD = "_static/social-card.png"
CARD_ALT = "Factor by Factor: a tall bar and a wide bar span a matrix"
FONT = "_static/fonts/source-serif-4-latin-wght-{}.woff2"
# A font that comes late is not swapped in, as that moves the text (font-display: optional); so it is asked for at
# once. A page opened from a file may not preload.
PRELOAD = '<link rel="preload" as="font" type="font/woff2" crossorigin href="{}">'
THEBE_CONFIG = re.compile(r'<script type="text/x-thebe-config">.*?</script>\s*', re.DOTALL)


def _description(doctree, fallback: str) -> str:
    """The first paragraph of running text without formulas and citations, cut to `LONGEST` characters."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        text = " ".join(paragraph.astext().split())
        marked = any(paragraph.findall(nodes.math)) or "[" in text
        if isinstance(paragraph.parent, nodes.section) and len(text) > 60 and not marked:
            if len(text) <= LONGEST:
                return text
            starts = accumulate(re.split(r"(?<=[.!?]) ", text), "{} {}".format)  # one sentence, two, three …
            if whole := [start for start in starts if 50 <= len(start) <= LONGEST]:
                return whole[-1]
            return text[: text.rfind(" ", 0, LONGEST)].rstrip(",;:") + " …"
    return fallback


def _describe(app, pagename, templatename, context, doctree):
    title = app.config.html_title
    page_title = re.sub(r"<[^>]+>", "", context.get("title") or title)  # without the markup of its number
    if page_title == title:
        context["docstitle"] = ""  # else the landing page is called by its name twice
    description = _description(doctree, app.config.site_description)
    chapter = pagename.removeprefix("notebooks/")
    own = chapter in getattr(app.env, "chapter_cards", {})
    path = f"_static/cards/{chapter}.png" if own else CARD
    text = f"{page_title}, with a figure of the chapter" if own else CARD_ALT
    if base := app.config.html_baseurl:  # Sphinx writes the canonical address itself then
        card = base + path
        tags = [f'<meta property="og:url" content="{escape(base + app.builder.get_target_uri(pagename))}">']
    else:
        card = context["pathto"](path, resource=True)
        tags = [f'<link rel="canonical" href="{escape(pagename.rpartition("/")[2])}.html">']
    tags += [
        f'<meta name="description" content="{escape(description)}">',
        '<meta property="og:type" content="article">',
        f'<meta property="og:site_name" content="{escape(title)}">',
        f'<meta property="og:title" content="{escape(page_title)}">',
        f'<meta property="og:description" content="{escape(description)}">',
        f'<meta property="og:image" content="{escape(card)}">',
        f'<meta property="og:image:alt" content="{escape(text)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    faces = ("normal", "italic") if "<em" in context.get("body", "") else ("normal",)
    fonts = "".join(PRELOAD.format(context["pathto"](FONT.format(face), resource=True)) for face in faces)
    preload = f"document.head.insertAdjacentHTML('beforeend', '{fonts}')"
    tags.append(f"<script>if (location.protocol !== 'file:') {preload}</script>")
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(tags)


def _is_thebe(script) -> bool:
    return "thebe" in str(script.filename or "") or "THEBE_JS_URL" in script.attributes.get("body", "")


def _is_mathjax(script) -> bool:
    return "mathjax" in str(script.filename or "") or "MathJax" in script.attributes.get("body", "")


def _tidy(app, pagename, templatename, context, doctree):
    seen, kept = set(), []
    formulas = 'class="math' in context.get("body", "")
    for script in context["script_files"]:
        key = (script.filename or "", *sorted(script.attributes.items()))
        if key not in seen and not _is_thebe(script) and (formulas or not _is_mathjax(script)):
            seen.add(key)
            kept.append(script)
    context["script_files"][:] = kept
    context["body"] = THEBE_CONFIG.sub("", context.get("body", ""))
    context["css_files"][:] = [sheet for sheet in context["css_files"] if "thebe" not in str(sheet.filename)]


def _set_address(app, config):
    if address := os.environ.get("BOOK_URL"):
        config.html_baseurl = address.rstrip("/") + "/"


def setup(app):
    app.connect("config-inited", _set_address)
    app.add_config_value("site_description", "", "html")
    app.connect("html-page-context", _describe)
    app.connect("html-page-context", _tidy, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
