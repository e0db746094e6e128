"""``{live-recommender}``: the live recommender, whole (``full``) or as it stands on the landing page (``short``).

The HTML holds what is there before a script runs: films to like, and a list for readers without JavaScript. Both come
from the file that ``book/live_model.py`` wrote. On the short form that file is loaded once somebody likes a film.
"""

from __future__ import annotations

import re
from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from live_file import MODEL, read
from sphinx.util.docutils import SphinxDirective

TITLE = re.compile(r"(?P<name>.*?)(?P<other> \(.*\))? \((?P<year>\d{4})\)")


def title_and_year(title: str) -> tuple[str, str]:
    """A title without the names that it has elsewhere, and its year ("" where it has none)."""
    found = TITLE.fullmatch(title)
    return (found["name"], found["year"]) if found else (title, "")


def _film(model: dict, row: int) -> str:
    name, year = title_and_year(model["titles"][row])
    return f'{escape(name)} <span class="live-year">{year}</span>'


def _starters(model: dict) -> str:
    return "\n".join(
        f'<li><button type="button" class="live-tile" aria-pressed="false" data-id="{model["ids"][row]}">'
        f"<span>{_film(model, row)}</span></button></li>"
        for row in model["starters"]
    )


def _fallback(model: dict) -> str:
    liked = ", ".join(f"<em>{escape(title_and_year(model['titles'][row])[0])}</em>" for row in model["reader"])
    films = "".join(f"<li>{_film(model, row)}</li>" for row in model["example"])
    return (
        '<div class="live-fallback"><p>With JavaScript switched on, you can like films here and watch a list of your '
        f"own follow. Without it, this is what the model shows to somebody who likes {liked}:</p><ol>{films}</ol></div>"
    )


PICK = """
<div class="live-pick">
<p class="live-ask" id="live-ask">Which of these do you like?</p>
<ul class="live-tiles" aria-labelledby="live-ask">
{starters}
</ul>
<div class="live-find">
<label for="live-search">Or find a film</label>
<input id="live-search" type="text" role="combobox" autocomplete="off" spellcheck="false" aria-autocomplete="list"
 aria-expanded="false" aria-controls="live-options" placeholder="A title, or a part of one">
<ul id="live-options" role="listbox" aria-label="Films" hidden></ul>
</div>
</div>
"""
MINE = """
<div class="live-mine">
<div hidden>
<p class="live-label" id="live-mine">Your films</p>
<ul aria-labelledby="live-mine"></ul>
</div>
<p class="live-start"><button type="button" data-do="reader">Start from our reader’s favourites</button>
<button type="button" data-do="share">Copy a link to my list</button>
<button type="button" data-do="clear">Start anew</button></p>
</div>
"""
LIST = """
<div class="live-result">
<p class="live-label">Your list <span class="live-you" aria-hidden="true"></span></p>
<p class="live-empty">It begins with your first film. Nothing that you do here leaves this page.</p>
<ol class="live-list" aria-label="Recommended to you"></ol>
<p class="live-status" role="status"></p>
{more}
</div>
"""
MORE = '<p class="live-more"><a href="live.html">Turn its knobs, and see yourself on the map of films</a></p>'
KNOBS = """
<div class="live-knobs" role="group" aria-label="Knobs">
<p class="live-equation" aria-label="The equation of your vector x">( <i>G</i> + <b data-out="alpha"></b> Σ
<i>v</i><sub>j</sub> <i>y</i><sub>j</sub> <i>y</i><sub>j</sub><sup>⊤</sup> +
<b data-out="regularization"></b> <i>I</i> ) <i>x</i> = Σ
( 1 + <b data-out="alpha"></b> <i>v</i><sub>j</sub> ) <i>y</i><sub>j</sub></p>
{knobs}
<p class="live-start"><button type="button" data-do="reset">Put the knobs back</button>
<span class="live-time"></span></p>
</div>
"""
KNOB = """<div class="live-knob"><label for="live-{name}">{label}</label>
<input type="range" id="live-{name}" min="{low}" max="{high}" step="{step}" aria-describedby="live-{name}-says">
<span class="live-value" data-out="{name}"></span>
<p id="live-{name}-says">{says}</p></div>
"""
MAP = """
<div class="live-map" role="group" aria-label="Map of films">
<div class="live-map-head">
<label>Axes <select data-do="axes"><option value="0,1">1 and 2</option><option value="1,2">2 and 3</option>
<option value="2,3">3 and 4</option></select></label>
<label>Show on the map
<input type="text" data-do="mark" autocomplete="off" placeholder="A title, or a part of one"></label>
</div>
<canvas role="img" aria-label="Map of all films by two factors, with you and your films on it"></canvas>
<p class="live-legend">In colour, you and your films; in bold, your list. The farther a film lies in the direction of
the dashed line, the more these two axes add to its score. Click a film to like it.</p>
<div class="live-knob"><label for="live-angle">Rotate the axes</label>
<input type="range" id="live-angle" min="-180" max="180" step="5" value="0" aria-describedby="live-angle-says">
<span class="live-value" data-out="angle"></span>
<p id="live-angle-says" class="live-turned"></p></div>
</div>
"""


def _knobs(model: dict) -> str:
    factors = len(model["units"])
    return "".join(
        KNOB.format(name=name, label=label, low=low, high=high, step=step, says=says)
        for name, label, low, high, step, says in (
            (
                "taste", "Popularity against taste", -1, 1, 0.1,
                "To the right, the part that you share with the average user is taken out of your vector; to the "
                "left, it is doubled. In the middle, the model as it is.",
            ),
            (
                "alpha", "Confidence α", -3, 3, 0.25,
                "How much more a film of yours weighs than one that you have not seen.",
            ),
            (
                "regularization", "Regularization λ", -3, 3, 0.25,
                "How strongly your vector is held near zero, most of all in directions that few films share.",
            ),
            (
                "factors", "Factors kept", 2, factors, 1,
                "The vectors are turned to their principal axes first, so that the first factor carries most (the "
                "largest sum of squares over all films) and each further one less. What is left of you with two?",
            ),
        )
    )


def live_html(form: str, static: str) -> str:
    """The recommender in one of its forms; `static` is the way to its folder, with a slash at the end."""
    model = read()
    parts = [PICK.format(starters=_starters(model)), LIST.format(more=MORE if form == "short" else ""), MINE]
    if form == "full":
        parts += [KNOBS.format(knobs=_knobs(model)), MAP]
    return (
        f'<link rel="stylesheet" href="{static}live.css">\n'
        '<script>document.documentElement.classList.add("live-on");\n'
        'if (location.hash.startsWith("#films=")) document.documentElement.classList.add("live-linked")</script>\n'
        f'<div class="live live-{form}" data-model="{static}model.js">\n'
        f'{_fallback(model)}\n{"".join(parts)}</div>\n'
        f'<script defer src="{static}maths.js"></script>\n<script defer src="{static}page.js"></script>\n'
    )


class LiveRecommender(SphinxDirective):
    """The live recommender, in the form that the argument names."""

    required_arguments = 1

    def run(self):
        """Make the HTML."""
        form = directives.choice(self.arguments[0], ("full", "short"))
        self.env.note_dependency(str(MODEL))
        self.env.note_dependency(__file__)
        static = "../" * self.env.docname.count("/") + "_static/live/"
        return [nodes.raw("", live_html(form, static), format="html")]


def setup(app):
    app.add_directive("live-recommender", LiveRecommender)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
