"""The live recommender: its model is what the code makes, its mathematics is the package's, and it can be used."""

import os
import re
import sys

import numpy as np
import pytest
from site_build import ROOT
from test_site import axe, open_page

from recsys_utils.datasets import load_movielens
from recsys_utils.models import ImplicitALS

sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book" / "_ext")]

import live_file  # noqa: E402
import live_model  # noqa: E402
from live_recommender import live_html, title_and_year  # noqa: E402

FOLDER = ROOT / "book" / "_static" / "live"
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Live</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="_static/book.css"><style>* { box-sizing: border-box }
body { color: var(--pst-color-text-base); background: var(--pst-color-background) }</style></head>
<body><main class="bd-article" style="max-width: 60rem; margin: auto">
<h1>Live</h1>RECOMMENDER</main></body></html>"""
NEXT_FRAME = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"""
READINGS = [("raw", 0.0), ("binary", 0.5), ("log", 0.0), ("sqrt", 1.0)]
FULL_HISTORY = "#films=296,608,858:4"


def films():
    """Real films where they are at hand, invented ones elsewhere: nothing here depends on which."""
    return load_movielens("ml-latest-small" if os.environ.get("RECSYS_DATA_HOME") else "synthetic")


def in_python(vectors, ids, settings) -> ImplicitALS:
    """A model of the package with these item vectors."""
    parameters = {name: settings[name] for name in ("alpha", "regularization", "values", "frequency_exponent")}
    model = ImplicitALS(factors=vectors.shape[1], **parameters)
    fitted = {"user_ids_": np.array([0]), "item_ids_": np.array(ids), "user_factors_": np.zeros((1, vectors.shape[1]))}
    fitted |= {"item_factors_": vectors, "gram_": vectors.T @ vectors, "mean_confidence_": settings["mean_confidence"]}
    model.restore(fitted, None)
    return model


def histories(n_items, n=50):
    """Pairs of row and stars of `n` readers with 1 to 40 films, in no order."""
    rng = np.random.default_rng(0)
    for _ in range(n):
        rows = rng.choice(n_items, rng.integers(1, 41), replace=False)
        yield [[int(row), float(stars)] for row, stars in zip(rows, rng.integers(1, 11, len(rows)) / 2, strict=True)]


@pytest.fixture(scope="module")
def model():
    file = live_file.read()
    return file | {"factors": live_model.vectors_of(file)}


@pytest.fixture
def maths(context):
    """A page that has loaded maths.js and nothing else."""
    page = context.new_page()
    page.add_script_tag(path=FOLDER / "maths.js")
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with both forms of the recommender as pages, and the book's static files."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "_static").symlink_to(ROOT / "book" / "_static")
    for form in ("full", "short"):
        (folder / f"{form}.html").write_text(PAGE.replace("RECOMMENDER", live_html(form, "_static/live/")), "utf8")
    return folder


@pytest.fixture
def opened(context, folder):
    """Open a form of the recommender from its file, and see at the end that nothing went wrong."""

    def open_form(form, address=""):
        page = open_page(context, (folder / f"{form}.html").as_uri() + address, folder.as_uri())
        if form == "full":
            page.wait_for_function("() => document.querySelector('.live-time').textContent")
        return page

    yield open_form
    assert context.troubles == []


# ------------------------------------------------------------------ the model's file


def test_the_file_is_small_and_holds_no_ratings(model):
    assert (FOLDER / "model.js").stat().st_size <= 250_000
    assert " ".join(model) == (
        "format settings ids titles popularity units factors average starters reader example"
    ), "neither ratings nor users"
    n = len(model["ids"])
    assert n > 1000
    assert model["factors"].shape == (n, len(model["units"])) and len(model["average"]) == len(model["units"])
    assert model["ids"] == sorted(set(model["ids"]))
    assert len(set(model["titles"])) == len(model["titles"]) == n
    assert sorted(model["popularity"]) == list(range(n))
    assert len(set(model["starters"])) == 24 and len(set(model["reader"])) == 8
    assert len(set(model["example"]) - set(model["reader"])) == 10
    gram = model["factors"].T @ model["factors"]
    assert (np.diff(np.diag(gram)) < 0).all(), "the axes are in order"
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.01, "the axes are principal"


def test_the_licence_lies_beside_the_model():
    text = (FOLDER / "LICENCE.txt").read_text("utf8")
    for words in ("Harper", "GroupLens", "endorsement", "redistribute", "commercial", "no user's vector"):
        assert words in text


def test_the_code_makes_the_file(model):
    """The very file from the real films; from invented ones, another of the same form."""
    movielens = films()
    made = live_model.page_model(movielens)
    units = np.array(made["units"])
    vectors = live_model.vectors_of(made)
    assert set(made) == set(model) and vectors.shape == (len(made["ids"]), len(model["units"]))
    assert np.abs(vectors).max(axis=0).tolist() == (live_model.LEVELS * units).tolist()
    if movielens.name == "ml-latest-small":
        exact = ("settings", "ids", "titles", "popularity", "starters", "reader", "example")
        assert {name: made[name] for name in exact} == {name: model[name] for name in exact}
        # Another processor rounds otherwise in the last digit.
        assert np.abs(vectors - model["factors"]).max() <= 1.01 * units.max()
        np.testing.assert_allclose(made["average"], model["average"], atol=2e-6)


def test_titles_are_shortened():
    assert title_and_year("Seven (a.k.a. Se7en) (1995)") == ("Seven", "1995")
    assert title_and_year("(500) Days of Summer (2009)") == ("(500) Days of Summer", "2009")
    assert title_and_year("Hyena Road") == ("Hyena Road", "")


# ------------------------------------------------------------------ the mathematics


SCORES = """([vectors, f, histories, settings]) => {
    const table = Live.table(Float64Array.from(vectors), f);
    return histories.map(history => {
        const folded = Live.foldIn(table, history, settings);
        const scores = Live.scores(table, folded.x), [film] = Live.best(scores, 1, new Set());
        const y = table.vectors.slice(film * f, (film + 1) * f);
        return [Array.from(scores), film, Live.contributions(table, folded, y)];
    });
}"""


def compare(maths, vectors, ids, settings, tolerance):
    """Scores and explanations of 50 readers, in the browser and in Python."""
    asked = list(histories(len(vectors)))
    python = in_python(vectors, ids, settings)
    answers = maths.evaluate(SCORES, [vectors.ravel().tolist(), vectors.shape[1], asked, settings])
    assert len(answers) == 50
    for history, (scores, film, parts) in zip(asked, answers, strict=True):
        rows, stars = map(np.array, zip(*history, strict=True))
        expected = python.score_vector(python.fold_in(python.item_ids_[rows], stars))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)
        causes, amounts = python.explain_for(python.item_ids_[rows], stars, python.item_ids_[film])
        found = {int(python.item_ids_[part["row"]]): part["amount"] for part in parts}
        np.testing.assert_allclose([found[int(id_)] for id_ in causes], amounts, rtol=0, atol=tolerance)
        assert sum(part["amount"] for part in parts) == pytest.approx(scores[film], abs=1e-12)


@pytest.mark.parametrize(("values", "exponent"), READINGS)
def test_scores_and_explanations_equal_the_packages(maths, values, exponent):
    vectors = np.random.default_rng(1).normal(0.1, 0.3, (300, 12))
    settings = {"alpha": 2.0, "regularization": 5.0, "values": values, "frequency_exponent": exponent}
    compare(maths, vectors, np.arange(300) * 3, settings | {"mean_confidence": 350.0}, 1e-9)


def test_scores_and_explanations_equal_the_packages_with_the_pages_model(maths, model):
    decoded = maths.evaluate("model => Array.from(Live.vectorsOf(model).vectors)", live_file.read())
    np.testing.assert_allclose(np.reshape(decoded, model["factors"].shape), model["factors"], rtol=1e-15)
    compare(maths, model["factors"], model["ids"], model["settings"], 1e-9)


def test_rounding_to_16_bits_changes_no_score_by_1e_4(maths):
    fitted, data = live_model.fit(films())
    vectors = fitted.item_factors_ @ live_model.principal_axes(fitted)
    numbers, units = live_model.quantised(vectors)
    settings = {name: getattr(fitted, name) for name in ("alpha", "regularization", "values", "frequency_exponent")}
    settings["mean_confidence"] = fitted.mean_confidence_
    asked = list(histories(len(vectors)))
    answers = maths.evaluate(SCORES, [(numbers * units).ravel().tolist(), len(units), asked, settings])
    for history, (scores, *_) in zip(asked, answers, strict=True):
        rows, stars = map(np.array, zip(*history, strict=True))
        expected = fitted.score_vector(fitted.fold_in(data.item_ids[rows], stars))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)


def test_rotation_changes_no_score_and_fewer_factors_do(maths, model):
    script = """([file, history]) => {
        const all = Live.vectorsOf(file);
        const scores = table => Array.from(Live.scores(table, Live.foldIn(table, history, file.settings).x));
        return [scores(all), scores(Live.rotate(all, 0, 1, 1)), scores(Live.keep(all, 5))];
    }"""
    whole, turned, kept = map(np.array, maths.evaluate(script, [live_file.read(), [[3, 5], [100, 4]]]))
    np.testing.assert_allclose(turned, whole, atol=1e-12)
    python = in_python(np.ascontiguousarray(model["factors"][:, :5]), model["ids"], model["settings"])
    ids = [model["ids"][3], model["ids"][100]]
    np.testing.assert_allclose(kept, python.score_vector(python.fold_in(ids, [5, 4])), atol=1e-9)
    assert np.abs(kept - whole).max() > 0.001


def test_the_average_user_is_taken_out(maths):
    rng = np.random.default_rng(2)
    v, u = rng.normal(size=(2, 6))
    script = """([v, u]) => [0, 1, -1].map(share =>
        Array.from(Live.without(Float64Array.from(v), Float64Array.from(u), share)))"""
    same, without, doubled = map(np.array, maths.evaluate(script, [v.tolist(), u.tolist()]))
    np.testing.assert_allclose(same, v)
    assert without @ u == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(v - without, doubled - v)


# ------------------------------------------------------------------ the page


def listed(page):
    return [name.rsplit(" ", 1)[0] for name in page.locator(".live-list .live-name").all_inner_texts()]


def expected_list(model, ids, stars):
    python = in_python(model["factors"], model["ids"], model["settings"])
    found, scores = python.recommend_for(ids, stars, n=10)
    titles = dict(zip(model["ids"], model["titles"], strict=True))
    return [title_and_year(titles[id_])[0] for id_ in found], scores


def test_one_click_makes_a_list(context, opened, model):
    requests = []
    context.on("request", lambda request: requests.append(request.url))
    page = opened("short")
    assert not [url for url in requests if "model.js" in url], "the model waits for the first click"
    tiles = page.locator(".live-tile")
    assert tiles.count() == 24
    tiles.nth(2).click()
    page.locator(".live-list li").nth(9).wait_for()
    assert tiles.nth(2).get_attribute("aria-pressed") == "true"
    liked = model["ids"][model["starters"][2]]
    names, scores = expected_list(model, [liked], [5.0])
    assert listed(page) == names
    assert page.locator(".live-score").all_inner_texts() == [f"{score:.3f}" for score in scores]
    assert page.url.endswith(f"#films={liked}")
    assert page.locator(".live-more a").get_attribute("href").endswith(f"/live.html#films={liked}")
    tiles.nth(2).click()
    page.wait_for_function("() => !document.querySelector('.live-list li')")
    assert "#films" not in page.url


def test_a_link_brings_the_list_back_and_the_parts_make_the_score(opened, model):
    page = opened("full", FULL_HISTORY)
    names, scores = expected_list(model, [296, 608, 858], [5.0, 5.0, 4.0])
    assert listed(page) == names
    for why, score in zip(page.locator(".live-why").all_inner_texts(), scores, strict=True):
        parts = [float(part.replace("−", "-")) for part in re.findall(r"[−]?\d\.\d{3}", why)]
        assert len(parts) == 3 and sum(parts) == pytest.approx(score, abs=0.0021), why


def test_the_link_can_be_copied(opened):
    page = opened("full", FULL_HISTORY)
    page.get_by_role("button", name="Copy a link to my list").click()
    page.wait_for_function("() => /Copied|copy it from there/.test(document.querySelector('.live-status').textContent)")


def test_nonsense_in_a_link_is_left_out(opened):
    page = opened("full", "#films=296,abc,999999999,608:99&factors=1000&taste=x&alpha=9")
    assert page.locator(".live-mine li").count() == 1
    assert page.locator(".live-list li").count() == 10
    assert page.locator("#live-factors").input_value() == "32"


def test_a_film_is_found_and_liked_by_keyboard(opened):
    page = opened("full")
    search = page.get_by_role("combobox", name="Or find a film")
    search.focus()
    page.keyboard.type("the god")
    page.locator("[role=option]").first.wait_for()
    assert search.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = page.locator(f"#{search.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-selected") == "true"
    assert active.inner_text().startswith("The Godfather: Part II")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert search.get_attribute("aria-expanded") == "false" and search.input_value() == ""
    assert page.locator(".live-mine li").inner_text().startswith("The Godfather 1972")
    assert "The Godfather is among your films. First on your list:" in page.get_by_role("status").inner_text()
    page.keyboard.type("amelie")
    page.wait_for_function("() => document.querySelectorAll('[role=option]').length === 1")
    page.keyboard.press("Escape")
    assert not page.locator("#live-options").is_visible()


def test_everything_is_reached_by_the_tab_key(opened):
    page = opened("full", "#films=296")
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        name = "(e => e.id || e.className || e.dataset.do || e.ariaLabel)(document.activeElement)"
        reached.add(page.evaluate(name))
    assert {"live-tile", "live-search", "reader", "share", "clear", "reset", "axes", "mark"} <= reached
    assert {f"live-{knob}" for knob in ("taste", "alpha", "regularization", "factors", "angle")} <= reached
    assert {"Stars for Pulp Fiction", "Take Pulp Fiction off"} <= reached


def test_stars_not_for_me_and_the_readers_films(opened, model):
    page = opened("full", "#films=296,608,858")
    page.get_by_label("Stars for Fargo").select_option("1")
    names, _ = expected_list(model, [296, 608, 858], [5.0, 1.0, 5.0])
    assert listed(page) == names and page.url.endswith("#films=296,608:1,858")
    # A film that is not wanted goes, and changes no score.
    scores = page.locator(".live-score").all_inner_texts()
    page.get_by_role("button", name=f"Not for me: {names[0]}").press("Enter")
    assert listed(page)[:9] == names[1:] and page.locator(".live-score").all_inner_texts()[:9] == scores[1:]
    assert page.evaluate("() => document.activeElement.closest('.live-list') !== null"), "the focus stays in the list"
    page.get_by_role("button", name="Start anew").click()
    assert page.locator(".live-mine li").count() == page.locator(".live-list li").count() == 0
    page.get_by_role("button", name="Start from our reader’s favourites").click()
    assert listed(page) == [title_and_year(model["titles"][row])[0] for row in model["example"]]


def test_knobs_change_the_list_and_the_rotation_does_not(opened):
    page = opened("full", FULL_HISTORY)
    before = listed(page)
    shown = "() => document.querySelector('canvas').toDataURL()"
    picture = page.evaluate(shown)

    def turn(name, value):
        page.locator(f"#live-{name}").fill(str(value))
        page.evaluate(NEXT_FRAME)

    turn("angle", 90)
    assert listed(page) == before and page.evaluate(shown) != picture
    largest = re.search(r"no score by more than \d · 10⁻(.+?):", page.locator(".live-turned").inner_text())
    assert int(largest[1].translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))) > 12
    for name, value in (("taste", 1), ("alpha", 3), ("regularization", -3), ("factors", 4)):
        turn(name, value)
        assert listed(page) != before, name
        assert f"{name}={value}" in page.url
        page.get_by_role("button", name="Put the knobs back").click()
        assert listed(page) == before
    turn("factors", 2)
    page.locator("[data-do=axes]").select_option("2,3")
    assert page.locator("#live-angle").is_disabled()


def test_a_film_is_named_on_the_map(opened):
    page = opened("full")
    shown = "() => document.querySelector('canvas').toDataURL()"
    empty = page.evaluate(shown)
    page.get_by_label("Show on the map").fill("casablanca")
    assert page.evaluate(shown) != empty


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_in_every_state(opened, theme):
    page = opened("full", FULL_HISTORY)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert axe(page) == []
    page.get_by_role("combobox", name="Or find a film").fill("star")
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert axe(page) == []


def test_the_list_is_in_sight_on_a_phone(context, opened):
    page = opened("short")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".live-tile").first.click()
    first = page.locator(".live-list li").first
    first.wait_for()
    box = first.bounding_box()
    assert box["y"] + box["height"] < 844
    assert page.evaluate("() => document.scrollingElement.scrollWidth") == 390
    buttons = page.locator(".live button:visible")
    assert min(buttons.nth(i).bounding_box()["height"] for i in range(buttons.count())) >= 24


def test_without_javascript_there_is_a_list(browser, folder, model):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "full.html").as_uri())
    assert page.locator(".live-fallback li").count() == 10
    assert page.locator(".live-fallback").is_visible()
    assert "JavaScript" in page.locator(".live-fallback").inner_text()
    assert not page.locator(".live-pick").is_visible() and not page.locator("canvas").is_visible()
    context.close()


def test_with_javascript_the_list_for_others_is_hidden(opened):
    page = opened("short")
    assert not page.locator(".live-fallback").is_visible()
    assert page.locator(".live-pick").is_visible()
