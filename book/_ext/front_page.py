"""The landing page's parts, made from the notebooks at build time.

``{book-actions}``: the ways in, without a button that leads nowhere. ``{headlines}``: three results as small
pictures. ``{chapter-list}``: the chapters as cards; its body gives each a sentence (``notebooks/name: sentence``), its
option ``pictures`` names the figure to show (``name fig-name, ...``; else the first one). ``{chapter-map}``: which
chapter needs which, by the links of the opening boxes.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx_external_toc.parsing import parse_toc_yaml
from stored import Stored

CARDS = "_static/cards"  # of the built site
THUMB = (480, 300)  # pixels, shown at half the size


def chapter_names(app) -> list[str]:
    """Names of the chapters, which the table of contents numbers, in its order."""
    site_map = parse_toc_yaml(Path(app.srcdir) / app.config.external_toc_path)
    pages = [str(page) for tree in site_map.root.subtrees if tree.numbered for page in tree.items]
    return [page.removeprefix("notebooks/") for page in pages]


def repository() -> str:
    """Address of the repository, from the environment variable BOOK_REPOSITORY, or nothing."""
    return os.environ.get("BOOK_REPOSITORY", "").rstrip("/")


class _Part(SphinxDirective):
    """A directive that knows the chapters."""

    def chapters(self) -> dict[str, Stored]:
        """The chapters of the book by name."""
        found = {}
        for name in chapter_names(self.env.app):
            path = Path(self.env.srcdir) / "notebooks" / f"{name}.ipynb"
            self.env.note_dependency(str(path))
            found[name] = Stored(path)
        return found

    def href(self, target: str) -> str:
        """Relative address of a page."""
        return self.env.app.builder.get_relative_uri(self.env.docname, target)

    def root(self) -> str:
        """Relative address of the site's root."""
        return "../" * self.env.docname.count("/")

    def html(self, text: str) -> list[nodes.Node]:
        """What the directive returns."""
        return [nodes.raw("", text, format="html")]


class BookActions(_Part):
    """Buttons: start reading, run it, and where the repository is known, download, Binder and Colab."""

    def run(self):
        """Make the buttons."""
        first = chapter_names(self.env.app)[0]
        how = self.href("book/how-to-run")
        links = [
            ("Start reading", self.href(f"notebooks/{first}")),
            ("Run it in JupyterLab", f"{how}#two-commands"),
        ]
        if home := repository():
            links.append(("Download", f"{home}/archive/HEAD.zip"))
            if "github.com/" in home:
                name = home.partition("github.com/")[2]
                links.append(("Open in Binder", f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/notebooks"))
                colab = f"https://colab.research.google.com/github/{name}/blob/HEAD/notebooks/{first}.ipynb"
                links.append(("Open in Colab", colab))
        else:
            links.append(("Binder and Colab", f"{how}#in-the-browser"))
        buttons = "".join(f'<a href="{escape(href)}">{text}</a>' for text, href in links)
        return self.html(f'<p class="book-actions">{buttons}</p>')


# --------------------------------------------------------------------------- headlines


def bars(rows: list[tuple[str, float, str, bool]], label: str) -> str:
    """Horizontal bars from zero as SVG: (name, value, what stands behind the bar, whether it is the point)."""
    top, left, width, line = max(value for _, value, _, _ in rows), 112, 112, 24
    parts = []
    for i, (name, value, text, marked) in enumerate(rows):
        y = i * line + 4
        mark = ' class="marked"' if marked else ""
        parts.append(
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left}" y="{y}" width="{value / top * width:.1f}" height="16" rx="2"{mark}/>'
            f'<text x="{left + value / top * width + 6:.1f}" y="{y + 12}"{mark}>{escape(text)}</text>'
        )
    height = len(rows) * line + 4
    return (
        f'<svg viewBox="0 0 280 {height}" width="280" height="{height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _described(rows) -> str:
    return "; ".join(f"{name}: {text}" for name, _, text, _ in rows)


def recipe_headline(chapter: Stored) -> tuple[str, str, str]:
    """A popular recipe's error as stated and as run."""
    run, stated = chapter.said(r"RMSE is \*\*([\d.]+)\*\*.*Stated: ([\d.]+\d)")
    (biases,) = chapter.said(r"Biases alone: RMSE \*\*([\d.]+)\*\*")
    rows = [
        ("stated", float(stated), stated, False),
        ("the recipe, run", float(run), run, True),
        ("biases alone", float(biases), biases, False),
    ]
    text = (
        f"A popular tutorial states an RMSE of {stated} stars. Its recipe gets {float(run):.2f} on the films that its "
        "training part knows, and predicting nothing but biases does better. The chapter repairs it step by step."
    )
    return f"{float(run):.2f}, not {stated}", bars(rows, f"RMSE in stars. {_described(rows)}"), text


COUNTS = "no one two three four five six seven eight nine ten".split()


def metric_headline(chapter: Stored) -> tuple[str, str, str]:
    """One metric of the same lists as several libraries compute it."""
    table = chapter.table("libraries at their defaults")
    values = {row[0]: row[1:] for row in table}
    libraries = table[0][1:]
    rows = [(name, float(v), v, False) for name, v in zip(libraries, values["nDCG"], strict=True) if v != "–"]
    distinct = sorted({text for _, _, text, _ in rows})
    rows = [(name, value, text, text in (distinct[0], distinct[-1])) for name, value, text, _ in rows]
    other = sorted({v for v in values["MAP"] if v != "–"})
    title = f"{COUNTS[len(rows)].capitalize()} libraries, {COUNTS[len(distinct)]} numbers"
    text = (
        f"The same lists, the same metric: nDCG@10 from {distinct[0]} to {distinct[-1]}, MAP from {other[0]} to "
        f"{other[-1]}. The chapter finds every definition behind them and makes them agree."
    )
    return title, bars(rows, f"nDCG@10 of the same lists. {_described(rows)}"), text


def tuning_headline(chapter: Stored) -> tuple[str, str, str]:
    """The factorization of 2008 with copied and with searched settings, among published rows."""
    head, *body = chapter.table("75/25 split per film")
    rows = [dict(zip([name.lower() for name in head], row, strict=True)) for row in body]
    published = [row for row in rows if row["source"] == "published table"]
    own = {row["model"]: row for row in rows if row["source"] == "this page"}
    best = max(published, key=lambda row: float(row["ndcg@10"]))
    search = {row[0]: row for row in chapter.table("What the searches found")[1:]}["ALS, implicit"]
    tuned = next(row for name, row in own.items() if name.startswith("ALS,"))
    shown = [
        ("ALS, searched", tuned, True),
        ("EASE, searched", own["EASE"], False),
        (f"{best['model']}, published", best, False),
        ("popularity", own["popularity"], False),
        ("ALS, copied", own["the popular recipe, alpha 40"], True),
    ]
    lines = [(label, float(row["ndcg@10"]), row["ndcg@10"], marked) for label, row, marked in shown]
    text = (
        f"With copied settings the factorization of 2008 gets {lines[-1][2]}; with {search[1]} trials for each of two "
        f"programs, the better one picked on validation data, {lines[0][2]} (95% interval {tuned['low']} to "
        f"{tuned['high']}). The best of {len(published)} published rows has {lines[2][2]}; these are quoted, not tuned "
        f"again. EASE, of 2019, has {lines[1][2]}."
    )
    return "A method of 2008, tuned", bars(lines, f"nDCG@10 on MovieLens 100k. {_described(lines)}"), text


HEADLINES = {"svd": recipe_headline, "evaluation": metric_headline, "implicit": tuning_headline}


class Headlines(_Part):
    """Three results, each with a small picture and a link to its chapter."""

    def run(self):
        """Make the three."""
        chapters, parts = self.chapters(), []
        for name, make in HEADLINES.items():
            title, picture, text = make(chapters[name])
            parts.append(
                f'<a class="headline" href="{self.href(f"notebooks/{name}")}"><strong>{escape(title)}</strong>'
                f"{picture}<span>{escape(text)}</span></a>"
            )
        return self.html(f'<div class="headlines">{"".join(parts)}</div>')


# --------------------------------------------------------------------------- chapters


class ChapterList(_Part):
    """The chapters as cards, each with the sentence that the body gives; every chapter must have one."""

    has_content = True
    option_spec = {"pictures": directives.unchanged}

    def run(self):
        """Make the cards."""
        sentences = dict(map(str.strip, line.split(":", 1)) for line in filter(str.strip, self.content))
        chapters = self.chapters()
        if strangers := sorted({f"notebooks/{name}" for name in chapters} - set(sentences)):
            raise self.error(f"chapter-list: no sentence for {', '.join(strangers)}")
        pictures = dict(pair.split() for pair in self.options.get("pictures", "").split(",") if pair.strip())
        self.env.chapter_cards = {name: (sentences[f"notebooks/{name}"], pictures.get(name)) for name in chapters}
        cards = []
        for number, (name, chapter) in enumerate(chapters.items(), start=1):
            sentence = sentences[f"notebooks/{name}"]
            png = chapter.figure(pictures.get(name))
            picture = (
                f'<img src="{self.root()}{CARDS}/{name}.webp" alt="" class="decoration" loading="lazy" '
                f'decoding="async" width="{THUMB[0] // 2}" height="{THUMB[1] // 2}">'
            )
            cards.append(
                f'<li><a href="{self.href(f"notebooks/{name}")}">{picture if png else ""}'
                f"<strong>{number}. {escape(chapter.title)}</strong></a><p>{escape(sentence)}</p>"
                f"<small>about {chapter.minutes} minutes to read</small></li>"
            )
        return self.html(f'<ul class="chapter-list">{"".join(cards)}</ul>')


# --------------------------------------------------------------------------- map


def needed(assumes: dict[str, list[str]]) -> dict[str, list[str]]:
    """Direct prerequisites: those that no other prerequisite needs already."""

    def all_of(name, seen=()):
        found = set()
        for other in assumes.get(name, ()):
            if other not in seen:
                found |= {other} | all_of(other, (*seen, name))
        return found

    return {
        name: [one for one in dict.fromkeys(some) if not any(one in all_of(o) for o in some if o != one)]
        for name, some in assumes.items()
    }


class ChapterMap(_Part):
    """Which chapter needs which: a line a chapter, tied to the ones that it assumes."""

    def run(self):
        """Draw the map."""
        chapters = self.chapters()
        order = list(chapters)
        before = {n: [o for o in c.assumes if o in order[: order.index(n)]] for n, c in chapters.items()}
        direct = needed(before)
        depth, line, step = {}, 34, 22
        for name in order:
            depth[name] = 1 + max((depth[other] for other in direct[name]), default=-1)
        place = {name: (14 + step * depth[name], 18 + line * i) for i, name in enumerate(order)}
        left = 14 + step * max(depth.values()) + 18
        paths, texts = [], []
        for number, name in enumerate(order, start=1):
            x, y = place[name]
            for other in direct[name]:
                x0, y0 = place[other]
                paths.append(f'<path d="M{x0} {y0}V{y - 8}Q{x0} {y} {x0 + 8} {y}H{x}"/>')
            names = [chapters[other].title for other in direct[name]]
            title = f"{number}. {chapters[name].title}"
            needs = f" (needs {', '.join(names)})" if names else ""
            texts.append(
                f'<a href="{self.href(f"notebooks/{name}")}" aria-label="{escape(title + needs)}">'
                f'<path class="lead" d="M{x + 9} {y}H{left - 8}"/><circle cx="{x}" cy="{y}" r="6"/>'
                f'<text x="{left}" y="{y + 5}">{escape(title)}</text></a>'
            )
        width, height = left + 290, 18 + line * len(order)
        return self.html(
            f'<svg class="chapter-map" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="group" aria-label="Which chapter needs which">{"".join(paths)}{"".join(texts)}</svg>'
        )


def setup(app):
    app.add_directive("book-actions", BookActions)
    app.add_directive("headlines", Headlines)
    app.add_directive("chapter-list", ChapterList)
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
