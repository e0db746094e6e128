"""``{explore} KIND [NAME]``: a figure that the reader moves, over numbers that the notebook of the page has stored.

The body is one sentence, the only thing that JupyterLab shows. Without JavaScript and in print nothing is shown: the
table or the figure beside it says the same. A kind is a function below, from a stored notebook to what
``explore.js`` needs; the build fails where the notebook no longer holds it.
"""

from __future__ import annotations

import ast
import json
import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from stored import Stored

SAME = {"k": "k", "all relevant": "all", "min(k, relevant)": "most", "–": None}
#: What the chapter's table of definitions says of one user and a list that fills its places.
DENOMINATORS = SAME | {
    "length of the list": "k",
    "min(k, relevant), pooled": "most",
    "min(length, relevant)": "most",
    "all relevant, whole ranking": None,  # five films do not tell
}
IDEALS = SAME | {
    "min(k, relevant), gain = grade": "most",  # every film has the same grade
    "min(k, relevant), places 1 and 2 undiscounted": "flat",
}
#: For each question: where the answer stands, the ends of the slider and its step, and the unit.
GUESSES = {
    "filled": (r"are filled: ([\d.]+)%", 0, 50, 0.5, "%"),
    "tail": (r"most rated tenth of the films holds (\d+)% of all ratings", 0, 100, 1, "%"),
    "hole": (r"all four cells, the hole as zero +([\d.]+)", 0, 5, 0.05, "stars"),
    "recipe": (r"the recipe's RMSE is \*\*([\d.]+)\*\*", 0, 5, 0.05, "stars"),
    "halves": (r"halves correlate by [\d.]+, with 20–29 by ([\d.]+)", 0, 1, 0.01, ""),
    "lists": (r"for the fit, ([\d.]+) for the lists", 0, 2, 0.05, ""),
}


def films(stored: Stored) -> dict:
    """The list of five films, the relevant ones, and each library's denominators."""
    found = {}
    for name in ("recommended", "relevant_films"):
        sources = ("".join(cell["source"]) for cell in stored.cells)
        match = next(filter(None, (re.search(rf"^{name} = (.+)$", text, re.MULTILINE) for text in sources)), None)
        if match is None:
            raise ExtensionError(f"{stored.path}: no cell sets {name}; mend explorable.py or the cell")
        found[name] = ast.literal_eval(match[1])
    try:
        rules = [
            [library, DENOMINATORS[precision], DENOMINATORS[recall], DENOMINATORS[ap], IDEALS[ideal]]
            for library, _, _, precision, recall, ap, ideal in stored.table("What eight libraries divide by")[1:]
        ]
    except KeyError as unknown:
        raise ExtensionError(f"{stored.path}: explorable.py does not know the denominator {unknown}") from None
    listed = found["recommended"]
    return {
        "films": listed,
        "relevant": [film for film in listed if film in found["relevant_films"]],
        "missed": len(found["relevant_films"] - set(listed)),
        "rules": rules,
    }


def places(stored: Stored) -> dict:
    """nDCG@10 of the models by protocol."""
    head, *rows = stored.table("models by three protocols")
    return {"protocols": head[1:], "models": [[name, *map(float, values)] for name, *values in rows]}


def guess(stored: Stored, name: str) -> dict:
    """The answer to a question, as printed, and its slider."""
    pattern, low, high, step, unit = GUESSES[name]
    (answer,) = stored.said(pattern)
    return {"answer": answer, "low": low, "high": high, "step": step, "unit": unit}


def surface(stored: Stored) -> dict:
    """nDCG@10 by alpha and penalty for each reading of a count, and where the chapter found the best pair."""
    head, *rows = stored.table("measured pairs of alpha and penalty")
    penalties = [name.removeprefix("λ = ") for name in head[2:]]
    readings = {}
    for name, alpha, *values in rows:
        reading = readings.setdefault(name, {"alphas": [], "values": []})
        reading["alphas"].append(alpha)
        reading["values"].append(list(map(float, values)))
    for name, alpha, penalty, *_ in stored.table("The best pair of each panel")[1:]:
        reading = readings[name]
        i, j = reading["best"] = reading["alphas"].index(alpha), penalties.index(penalty)
        if reading["values"][i][j] < max(map(max, reading["values"])):
            raise ExtensionError(f"{stored.path}: the two tables differ in the best pair of {name}")
        reading["alphas"] = list(map(float, reading["alphas"]))
    return {"penalties": list(map(float, penalties)), "readings": readings}


KINDS = {"films": films, "places": places, "guess": guess, "surface": surface}


def explore_html(kind: str, data: dict, text: str, static: str) -> str:
    """The place of one figure, which ``explore.js`` fills; `static` is the way to its folder, with a slash."""
    return (
        f'<link rel="stylesheet" href="{static}explore.css">\n'
        f'<div class="explore explore-{kind}" role="group" aria-label="{escape(text)}" '
        f'data-explore="{escape(json.dumps(data, ensure_ascii=False))}" hidden><p>{escape(text)}</p></div>\n'
        f'<script defer src="{static}explore.js"></script>\n'
    )


class Explore(SphinxDirective):
    """A figure to move, of the kind that the first argument names."""

    required_arguments = 1
    optional_arguments = 1
    has_content = True

    def run(self):
        """Make the HTML."""
        self.env.note_dependency(__file__)
        kind, *name = self.arguments
        data = KINDS[kind](Stored(Path(self.env.doc2path(self.env.docname))), *name)
        static = "../" * self.env.docname.count("/") + "_static/explore/"
        return [nodes.raw("", explore_html(kind, data, " ".join(self.content), static), format="html")]


def setup(app):
    app.add_directive("explore", Explore)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
