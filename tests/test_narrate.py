"""Sentences, tables, titles and durations that cells print."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from recsys_utils.book import narrate
from recsys_utils.errors import InvalidInput, UnknownIdError

MOVIES = pd.DataFrame(
    {
        "movieId": [858, 5902, 101],
        "title": ["Godfather, The (1972)", "M*A*S*H (a.k.a. MASH) (1970)", "$9.99 <b>&_x_ (2008)"],
        "genres": [("Crime", "Drama"), ("Comedy", "War"), ()],
    }
)


@pytest.fixture
def shown(monkeypatch):
    """The bundles that were displayed, as a notebook would get them."""
    bundles = []
    monkeypatch.setattr(narrate, "_show", lambda plain, mime, rich: bundles.append({mime: rich, "text/plain": plain}))
    return bundles


class Table(HTMLParser):
    """What a browser would see of a table."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.caption, self._into = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
            self._into = "cell"
        elif tag == "caption":
            self._into = "caption"

    def handle_endtag(self, tag):
        if tag in ("th", "td", "caption"):
            self._into = None

    def handle_data(self, data):
        if self._into == "cell":
            self.rows[-1][-1] += data
        elif self._into == "caption":
            self.caption += data

    def count(self, tag, **attrs):
        return sum(t == tag and attrs.items() <= a.items() for t, a in self.tags)


def rendered(markdown: str) -> str:
    return re.sub(r"<[^>]+>", "", MarkdownIt("commonmark").render(markdown)).strip()


# ---------------------------------------------------------------- sentences


def test_say_prints_a_plain_sentence_outside_a_notebook(capsys):
    narrate.say("An RMSE of {rmse:.3f} on {n:,} ratings of {film}.", rmse=3.16749, n=20_168, film="M*A*S*H")
    assert capsys.readouterr().out == "An RMSE of 3.167 on 20,168 ratings of M*A*S*H.\n"


def test_say_keeps_the_templates_markup_and_escapes_the_values(shown):
    narrate.say("*{film}* has **{n}** ratings, $k = {k}$", film="M*A*S*H [x](y) $5", n=3, k=50)
    (bundle,) = shown
    assert bundle["text/markdown"] == r"*M\*A\*S\*H \[x\](y) <span>\$</span>5* has **3** ratings, $k = 50$"
    assert bundle["text/plain"] == "*M*A*S*H [x](y) $5* has **3** ratings, $k = 50$"


@pytest.mark.parametrize("text", ["4.2 times as fast", "3.2 s", "0.5"])
def test_a_number_in_words_is_no_numbered_list(shown, text):
    narrate.say("{ratio}, measured here.", ratio=text)
    assert shown[0]["text/markdown"] == f"{text}, measured here."


@pytest.mark.parametrize("title", ["12.", "#Horror (2015)", "+1 (2013)", "- x", "12. Foo", "3) Foo", "> x", "=== x"])
def test_say_never_starts_a_block_with_a_value(shown, title):
    narrate.say("{title} is a film.", title=title)
    html = MarkdownIt("commonmark").render(shown[0]["text/markdown"])
    assert html.startswith("<p>")
    assert html.count("<p>") == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1)


@given(TEXT)
def test_any_title_reads_in_markdown_as_it_is(title):
    title = " ".join(title.split())
    if title:
        source = narrate._Sentence(narrate._escape_markdown).format("{t} end", t=title)
        html = MarkdownIt("commonmark").render(source).replace("<span>$</span>", "")
        assert "<" not in html.removeprefix("<p>").removesuffix("</p>\n")
        assert unescape(rendered(source)) == f"{title} end"


def test_say_accepts_numpy_scalars(capsys):
    narrate.say("{a:.1%} of {b:,}", a=np.float64(0.25), b=np.int64(10_000))
    assert capsys.readouterr().out == "25.0% of 10,000\n"


@pytest.mark.parametrize(
    ("template", "values", "words"),
    [
        ("{rmse:.3f}", {"mae": 1.0}, ["no value for its fields ['rmse']", "values ['mae']", "name=value"]),
        ("{:.3f}", {"rmse": 1.0}, ["fields ['']", "{name}"]),
        ("{0}", {"rmse": 1.0}, ["fields ['0']"]),
        ("{a}", {"a": 1, "b": 2}, ["no field for the values ['b']"]),
        ("{a:.2f}", {"a": float("nan")}, ["nan"]),
        ("{a:.2f}", {"a": np.float64("nan")}, ["nan"]),
    ],
)
def test_say_refuses(template, values, words):
    with pytest.raises(InvalidInput) as error:
        narrate.say(template, **values)
    assert all(word in str(error.value) for word in words)


# ------------------------------------------------------------------- tables


def test_table_is_accessible_html_and_plain_text(shown):
    frame = pd.DataFrame({"n": [1, 20], "share": [0.25, np.nan]}, index=pd.Index(["a<b", "c"], name="model"))
    narrate.table(frame, "What & why", formats={"share": "{:.1%}"}, index=True)
    html, plain = shown[0]["text/html"], shown[0]["text/plain"]
    table = Table(html)
    assert table.caption == "What & why"
    assert table.rows == [["model", "n", "share"], ["a<b", "1", "25.0%"], ["c", "20", narrate.MISSING]]
    assert table.count("th", scope="col") == 3
    assert table.count("th", scope="row") == 2
    assert table.count("div", tabindex="0", role="group", **{"aria-label": "What & why"}) == 1
    assert plain.splitlines() == [
        "What & why", "model   n  share", "a<b     1  25.0%", f"c      20      {narrate.MISSING}"
    ]


def test_table_has_no_empty_header_cell(shown):
    narrate.table(pd.DataFrame({"n": [1]}, index=["a"]), "c", index=True)
    assert "<td></td><th" in shown[0]["text/html"]
    assert not re.search(r"<th[^>]*></th>", shown[0]["text/html"])


def test_table_aligns_numbers_right_and_text_left(shown):
    frame = pd.DataFrame({"name": ["a"], "n": [1], "fit": [0.5]})
    narrate.table(frame, "c", formats={"fit": narrate.duration})
    cells = [a["style"] for t, a in Table(shown[0]["text/html"]).tags if t == "td"]
    assert cells == ["text-align:left", "text-align:right", "text-align:right"]
    assert "500 ms" in shown[0]["text/html"]


def test_table_joins_levels_and_writes_tuples_and_truth(shown):
    frame = pd.DataFrame({("a", "x"): [("u", "v")], ("b", ""): [True]})
    narrate.table(frame, "c")
    assert Table(shown[0]["text/html"]).rows == [["a x", "b"], ["u, v", "yes"]]


def test_table_output_is_the_same_twice(shown):
    frame = pd.DataFrame({"a": [1.23456]})
    narrate.table(frame, "c")
    narrate.table(frame, "c")
    assert shown[0] == shown[1]


def test_table_of_nothing_still_has_its_head(shown):
    narrate.table(pd.DataFrame({"a": []}), "none")
    assert Table(shown[0]["text/html"]).rows == [["a"]]


def test_dollars_in_a_table_start_no_formula(shown):
    narrate.table(pd.DataFrame({"a": ["$5 and $6"]}), "c")
    assert "<span>$</span>5 and <span>$</span>6" in shown[0]["text/html"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([[1]], "c"), "DataFrame"),
        ((pd.DataFrame(), "c"), "columns"),
        ((pd.DataFrame({"a": [1]}), " "), "caption"),
        ((pd.DataFrame({"a": [1]}), None), "caption"),
    ],
)
def test_table_refuses(arguments, word):
    with pytest.raises(InvalidInput, match=word):
        narrate.table(*arguments)


def test_table_refuses_formats_of_unknown_columns():
    with pytest.raises(InvalidInput, match=r"formats: \['b'\].*\['a'\]"):
        narrate.table(pd.DataFrame({"a": [1]}), "c", formats={"b": "{}"})


# -------------------------------------------------------------------- films


def test_films_are_named(shown):
    formats = {"Mean_rating": "{:.1f}"}
    narrate.films([5902, 858], MOVIES, [1.234, 2.0], Mean_rating=[4.0, 3.5], formats=formats)
    assert Table(shown[0]["text/html"]).rows == [
        ["Film", "Genres", "Score", "Mean rating"],
        ["M*A*S*H (a.k.a. MASH) (1970)", "Comedy, War", "1.23", "4.0"],
        ["The Godfather (1972)", "Crime, Drama", "2.00", "3.5"],
    ]


def test_film_titles_survive_html(shown):
    narrate.films([101], MOVIES)
    assert Table(shown[0]["text/html"]).rows[1] == ["$9.99 <b>&_x_ (2008)", narrate.MISSING]


def test_film_names_of_one_and_many():
    assert narrate.film_names(858, MOVIES) == ["The Godfather (1972)"]
    assert narrate.film_names(np.array([5902, 858]), MOVIES)[1] == "The Godfather (1972)"


def test_films_refuse_strangers_and_lengths():
    with pytest.raises(UnknownIdError, match="7"):
        narrate.films([858, 7], MOVIES)
    with pytest.raises(InvalidInput, match="Score: 1 values for 2 films"):
        narrate.films([858, 101], MOVIES, [1.0])
    with pytest.raises(InvalidInput, match="2 dimensions"):
        narrate.film_names([[858]], MOVIES)


@pytest.mark.parametrize(
    ("title", "natural"),
    [
        ("Godfather, The (1972)", "The Godfather (1972)"),
        ("Good, the Bad and the Ugly, The (Il) (1966)", "The Good, the Bad and the Ugly (Il) (1966)"),
        ("Amelie (Fabuleux destin, Le) (2001)", "Amelie (Le Fabuleux destin) (2001)"),
        ("Man on the Train (Homme du train, L') (2002)", "Man on the Train (L'Homme du train) (2002)"),
        ("Pom Poko (a.k.a. Raccoon War, The) (1994)", "Pom Poko (a.k.a. The Raccoon War) (1994)"),
        ("Paris, Texas (1984)", "Paris, Texas (1984)"),
        ("Girl, Interrupted (1999)", "Girl, Interrupted (1999)"),
        ("Misérables, Les", "Les Misérables"),
        ("", ""),
    ],
)
def test_natural_title(title, natural):
    assert narrate.natural_title(title) == natural


# ------------------------------------------------------------------- reader


def test_reader():
    assert narrate.reader_id(pd.DataFrame({"userId": [1, 331, 331]})) == narrate.READER == 331
    with pytest.raises(UnknownIdError, match="criterion"):
        narrate.reader_id(pd.DataFrame({"userId": [1, 2]}))


# -------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 µs"),
        (4.5e-4, "450 µs"),
        (9.996e-4, "1.0 ms"),
        (0.0451, "45 ms"),
        (0.9996, "1.0 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (119.4, "120 s"),
        (119.6, "2.0 min"),
        (3600, "60 min"),
    ],
)
def test_duration(seconds, text):
    assert narrate.duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_duration_refuses(seconds):
    with pytest.raises(InvalidInput, match="seconds"):
        narrate.duration(seconds)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (3.21, "3.2 times as fast"),
        (1, "1.0 times as fast"),
        (0.25, "4.0 times as long"),
        (1234, "1200 times as fast"),
    ],
)
def test_speed_ratio(ratio, text):
    assert narrate.speed_ratio(ratio) == text


@pytest.mark.parametrize("ratio", [0, -1, float("nan"), float("inf")])
def test_speed_ratio_refuses(ratio):
    with pytest.raises(InvalidInput, match="ratio"):
        narrate.speed_ratio(ratio)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_durations_keep_two_digits_and_take_a_form_that_checks_blank(seconds):
    text = narrate.duration(seconds)
    value, unit = re.fullmatch(r"(\d+(?:\.\d)?) (µs|ms|s|min)", text).groups()
    scale = {"µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60}[unit]
    assert float(value) * scale == pytest.approx(seconds, rel=0.051)
