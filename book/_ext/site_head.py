"""What stands in the head of every page (description, social card, canonical address), and what must not.

* A page's description is its first plain paragraph. Addresses are relative, so that the site may be published
  anywhere.
* ``app.add_js_file(None, body=...)`` is written twice by Sphinx 7.4; for Thebe's ``const`` that is an error.
* Thebe (live code through Binder) is not used: its script names a CDN.
"""

from __future__ import annotations

import re
from html import escape

from docutils import nodes

LONGEST = 200  # characters of a description
CARD = "_static/social-card.png"
CARD_ALT = "Factor by Factor: a tall bar and a wide bar span a matrix"
THEBE_CONFIG = re.compile(r'<script type="text/x-thebe-config">.*?</script>\s*', re.DOTALL)


def _description(doctree, fallback: str) -> str:
    """The first paragraph of running text without formulas and citations, cut to `LONGEST` characters."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        text = " ".join(paragraph.astext().split())
        marked = any(paragraph.findall(nodes.math)) or "[" in text
        if isinstance(paragraph.parent, nodes.section) and len(text) > 60 and not marked:
            return text if len(text) <= LONGEST else text[: text.rfind(" ", 0, LONGEST)].rstrip(",;:") + " …"
    return fallback


def _describe(app, pagename, templatename, context, doctree):
    title = app.config.html_title
    page_title = context.get("title") or title
    description = _description(doctree, app.config.site_description)
    card = context["pathto"](CARD, resource=True)
    address = pagename.rpartition("/")[2] + ".html"
    tags = [
        f'<link rel="canonical" href="{escape(address)}">',
        f'<meta name="description" content="{escape(description)}">',
        '<meta property="og:type" content="article">',
        f'<meta property="og:site_name" content="{escape(title)}">',
        f'<meta property="og:title" content="{escape(page_title)}">',
        f'<meta property="og:description" content="{escape(description)}">',
        f'<meta property="og:image" content="{escape(card)}">',
        f'<meta property="og:image:alt" content="{escape(CARD_ALT)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(tags)


def _is_thebe(script) -> bool:
    return "thebe" in str(script.filename or "") or "THEBE_JS_URL" in script.attributes.get("body", "")


def _tidy(app, pagename, templatename, context, doctree):
    seen, kept = set(), []
    for script in context["script_files"]:
        key = (script.filename or "", *sorted(script.attributes.items()))
        if key not in seen and not _is_thebe(script):
            seen.add(key)
            kept.append(script)
    context["script_files"][:] = kept
    context["body"] = THEBE_CONFIG.sub("", context.get("body", ""))
    context["css_files"][:] = [sheet for sheet in context["css_files"] if "thebe" not in str(sheet.filename)]


def setup(app):
    app.add_config_value("site_description", "", "html")
    app.connect("html-page-context", _describe)
    app.connect("html-page-context", _tidy, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
