"""What a site has beside its pages: the end of a chapter, 404, sitemap, feed, and small pictures of each chapter.

The environment variables ``BOOK_URL`` and ``BOOK_REPOSITORY`` say where the site and the repository stand. Whatever
needs one of them is left out where it is not set, so that nothing leads nowhere.
"""

from __future__ import annotations

import io
import re
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

import matplotlib
import yaml
from front_page import CARDS, THUMB, chapter_names, repository
from PIL import Image, ImageDraw, ImageFont
from stored import Stored

CODE_TOGGLE = """<fieldset class="code-toggle pst-js-only"><legend>Show code</legend>
<label><input type="radio" name="code" value="all"> <span>all</span></label>
<label><input type="radio" name="code" value="key" checked> <span>key</span></label>
<label><input type="radio" name="code" value="none"> <span>none</span></label></fieldset>
"""
OPENING = re.compile(r'(?=<div class="[^"]*\bchapter-opening\b)')
RELEASE = re.compile(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FEED = "changes.xml"
CARD = (1200, 630)  # pixels


def citation(title: str, source: dict, address: str) -> str:
    """How to cite one page: a sentence, and the same as BibTeX."""
    authors = " and ".join(author["name"] for author in source["authors"])
    year, number = source["date-released"][:4], source["version"]
    key = re.sub(r"\W+", "-", title.lower()).strip("-")
    where = f", {address}" if address else ""
    entry = [
        f"@incollection{{factor-by-factor:{key},",
        f"  author    = {{{{{authors}}}}},",
        f"  title     = {{{title}}},",
        "  booktitle = {Factor by Factor: recommender systems from matrix factorization to factorization machines},",
        f"  note      = {{Version {number}}},",
        *([f"  url       = {{{address}}},"] if address else []),
        f"  year      = {{{year}}},",
        "}",
    ]
    return (
        f"<p>{escape(authors)}: “{escape(title)}”. In <em>{escape(source['title'])}</em>, version {number}, "
        f"{year}{escape(where)}.</p>"
        '<div class="highlight-none notranslate"><div class="highlight">'
        f"<pre>{escape(chr(10).join(entry))}\n</pre></div></div>"
    )


@cache
def _cited(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf8"))


def report_address(home: str, page: str, version: str) -> str:
    """The repository's form for errors, with page and version filled in."""
    return f"{home}/issues/new?template=error.yml&page={quote(page, safe='')}&version={version}"


def _frame(app, pagename, templatename, context, doctree):
    """Add the switch for code and the end of a chapter."""
    if not pagename.startswith("notebooks/"):
        return
    title = re.sub(r"^<span.*?</span>", "", context["title"])
    source = _cited(Path(app.srcdir) / "CITATION.cff")
    base = app.config.html_baseurl
    address = base + app.builder.get_target_uri(pagename) if base else ""
    report = ""
    if home := repository():
        form = report_address(home, pagename, source["version"])
        report = f'<a href="{escape(form)}">Report an error on this page</a>'
    end = (
        f'<div class="page-end"><details><summary>Cite this page</summary>{citation(title, source, address)}</details>'
        f"{report}</div>"
    )
    context["body"] = OPENING.sub(CODE_TOGGLE, context["body"], count=1) + end


def _feed_link(app, pagename, templatename, context, doctree):
    href = context["pathto"](FEED, resource=True)
    tag = f'<link rel="alternate" type="application/atom+xml" title="Changes" href="{href}">'
    context["metatags"] = context.get("metatags", "") + "\n" + tag


# --------------------------------------------------------------------------- 404


def _missing_page(app):
    yield "404", {"title": "Page not found", "parents": []}, "404.html"


def _missing_base(app, pagename, templatename, context, doctree):
    """A server shows 404.html under the missing page's address: links start from the site's root all the same."""
    if pagename == "404":
        root = urlsplit(app.config.html_baseurl).path or "/"
        context["metatags"] = (
            "<script>if (!/\\/404(\\.html)?$/.test(location.pathname) && location.protocol !== 'file:') "
            f"document.write('<base href=\"{root}404.html\">')</script>\n" + context.get("metatags", "")
        )
        context["chapters"] = [
            (f"notebooks/{name}", Stored(Path(app.srcdir) / "notebooks" / f"{name}.ipynb").title)
            for name in chapter_names(app)
        ]


# --------------------------------------------------------------------------- sitemap and feed


def sitemap(base: str, pages: list[str]) -> str:
    """A sitemap of the pages, whose addresses are relative to `base`."""
    places = "".join(f"<url><loc>{escape(base + page)}</loc></url>" for page in pages)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>\n'
    )


def feed(changelog: str, base: str) -> str:
    """An Atom feed with an entry for each release of `changelog`."""
    releases = RELEASE.findall(changelog)
    site = base or "tag:factor-by-factor,2026:"
    page = f"{base}book/changes.html"
    entries = "".join(
        f"<entry><id>{escape(site)}{number}</id><title>Version {number}</title><updated>{day}T00:00:00Z</updated>"
        f'<link href="{escape(page)}"/><content type="text">{escape(text.strip())}</content></entry>'
        for number, day, text in releases
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>Factor by Factor</title><id>{escape(site)}</id><updated>{releases[0][1]}T00:00:00Z</updated>"
        f"<author><name>The Factor by Factor authors</name></author>{entries}</feed>\n"
    )


# --------------------------------------------------------------------------- pictures of chapters


def thumbnail(png: bytes) -> Image.Image:
    """The figure as large as fits into a card of the landing page, on white."""
    figure = Image.open(io.BytesIO(png)).convert("RGB")
    figure.thumbnail(THUMB, Image.Resampling.LANCZOS)
    card = Image.new("RGB", THUMB, "white")
    card.paste(figure, ((THUMB[0] - figure.width) // 2, (THUMB[1] - figure.height) // 2))
    return card


def _lines(draw, text: str, font, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def social_card(title: str, sentence: str, figure: bytes | None) -> Image.Image:
    """Title, sentence and figure of a chapter, of the size that social networks show."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    serif, sans = str(fonts / "DejaVuSerif.ttf"), str(fonts / "DejaVuSans.ttf")
    card = Image.new("RGB", CARD, "white")
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, 18, CARD[1]), fill="#8c2f5f")
    draw.text((64, 44), "Factor by Factor", font=ImageFont.truetype(sans, 24), fill="#8c2f5f")
    y = 88
    for text, font, colour, most in (
        (title, ImageFont.truetype(serif, 52), "#232733", 2),
        (sentence, ImageFont.truetype(sans, 25), "#5a5f6d", 3),
    ):
        lines = _lines(draw, text, font, CARD[0] - 128)
        if len(lines) > most:
            lines = [*lines[: most - 1], lines[most - 1].rstrip(",;:.") + " …"]
        for line in lines:
            draw.text((64, y), line, font=font, fill=colour)
            y += font.size * 1.3
        y += 12
    if figure:
        picture = Image.open(io.BytesIO(figure)).convert("RGB")
        picture.thumbnail((CARD[0] - 128, CARD[1] - int(y) - 30), Image.Resampling.LANCZOS)
        card.paste(picture, (64, int(y)))
    return card


def _write(app, exc):
    if exc is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    changelog = (Path(app.srcdir) / "CHANGELOG.md").read_text("utf8")
    (out / FEED).write_text(feed(changelog, app.config.html_baseurl), "utf8")
    if base := app.config.html_baseurl:
        pages = [app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)]
        (out / "sitemap.xml").write_text(sitemap(base, pages), "utf8")
        (out / "robots.txt").write_text(f"Sitemap: {base}sitemap.xml\n", "utf8")
    folder = out / CARDS
    folder.mkdir(parents=True, exist_ok=True)
    for name, (sentence, figure) in getattr(app.env, "chapter_cards", {}).items():
        chapter = Stored(Path(app.srcdir) / "notebooks" / f"{name}.ipynb")
        png = chapter.figure(figure)
        card = social_card(chapter.title, sentence, png).quantize(64)
        card.save(folder / f"{name}.png", optimize=True)
        if png:
            thumbnail(png).save(folder / f"{name}.webp", quality=50, method=6)


def setup(app):
    app.connect("html-page-context", _frame)
    app.connect("html-page-context", _feed_link, priority=600)
    app.connect("html-page-context", _missing_base, priority=700)
    app.connect("html-collect-pages", _missing_page)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
