"""Ship only the styles and icons that a page uses.

The theme brings all of Bootstrap, sphinx-design and Font Awesome, half a megabyte of rules and 150 KB of icons, on
every page. After the build the rules go whose classes and ids occur in no page and in no script, the icon font keeps
the glyphs that the remaining rules name, and large figures keep 256 colours.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

THEME = "pydata-sphinx-theme.css"
UNUSED = ("fontawesome.js",)  # no page loads it; it names every icon
LARGE = 40_000  # bytes of a figure that is worth the time
WORD = re.compile(r"[A-Za-z_][\w-]*")
NAME = re.compile(r"[.#]((?:[\w-]|\\.)+)")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
ICON = re.compile(r'"\\(f[0-9a-f]{3})"')
WEBFONT = re.compile(r"url\((\.\./vendor/fontawesome/webfonts/fa-solid-900)\.woff2\)\s*format\(\"?woff2\"?\)")


def words(outdir: Path) -> set[str]:
    """Every word of the pages' attributes and of the scripts; a class or an id outside it cannot match."""
    found = set()
    for path in outdir.rglob("*.html"):
        for value in re.findall(r'(?:class|id)="([^"]*)"', path.read_text("utf8")):
            found.update(value.split())
    for path in (outdir / "_static").rglob("*.js"):
        if "mathjax" not in path.parts and path.name not in UNUSED:
            found.update(WORD.findall(path.read_text("utf8")))
    return found


def blocks(css: str):
    """Split a style sheet into (prelude, body): a rule's selectors and block, or a statement and None."""
    start = depth = 0
    for match in re.finditer(r"[{};]|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|url\([^)\"']*\)", css):
        mark = match[0]
        if mark == "{":
            depth += 1
            if depth == 1:
                opened = match.start()
        elif mark == "}":
            depth -= 1
            if depth == 0:
                yield css[start:opened].strip(), css[opened + 1 : match.start()]
                start = match.end()
        elif mark == ";" and depth == 0:
            yield css[start : match.end()].strip(), None
            start = match.end()


def _may_match(selector: str, known: set[str]) -> bool:
    selector = re.sub(r":not\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selector)
    if ":is(" in selector or ":where(" in selector or "[" in selector:
        selector = re.sub(r"\[[^\]]*\]", "", selector)
        selector = re.sub(r":(?:is|where)\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selector)
    return all(name.replace("\\", "") in known for name in NAME.findall(selector))


def prune(css: str, known: set[str]) -> str:
    """The rules of `css` that may match something, in their order."""
    kept = []
    for prelude, body in blocks(COMMENT.sub("", css)):
        if body is None:
            kept.append(prelude)
        elif prelude.startswith(("@media", "@supports", "@container", "@layer")):
            if inner := prune(body, known):
                kept.append(f"{prelude}{{{inner}}}")
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{body}}}")
        else:
            selectors = re.split(r",(?![^()]*\))", prelude)
            if some := [s for s in selectors if _may_match(s, known)]:
                kept.append(f"{','.join(some)}{{{body}}}")
    return "".join(kept)


def _icons(static: Path, sheet: Path) -> None:
    """Cut the icon font down to the glyphs that `sheet` names."""
    source = static / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf"
    text = sheet.read_text("utf8")
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    font = TTFont(source)
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=[int(code, 16) for code in ICON.findall(text)])
    cut.subset(font)
    font.flavor = "woff"
    font.save(source.with_suffix(".woff"))
    sheet.write_text(WEBFONT.sub(r'url(\1.woff) format("woff")', text), "utf8")


def _slim(app, exc):
    if exc is not None or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    known = words(Path(app.outdir))
    own = Path(app.srcdir) / "book" / "_static"
    for path in static.rglob("*.css"):
        if not (own / path.relative_to(static)).exists():
            path.write_text(prune(path.read_text("utf8"), known), "utf8")
    _icons(static, static / "styles" / THEME)
    for path in (Path(app.outdir) / "_images").glob("*.png"):
        image = Image.open(path)
        if image.mode != "P" and path.stat().st_size > LARGE:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    for path in (*static.rglob("*.map"), *(static / "scripts" / name for name in UNUSED)):
        path.unlink(missing_ok=True)


def setup(app):
    app.connect("build-finished", _slim, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
