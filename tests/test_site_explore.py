"""Figures that the reader moves: their mathematics is the package's, and they can be used without a mouse."""

import sys
from itertools import permutations

import numpy as np
import pytest
from site_build import ROOT
from test_site import OVERFLOW, axe, open_page
from test_site_live import PAGE

from recsys_utils.evaluation import average_precision, judge, ndcg, precision, recall

sys.path.insert(0, str(ROOT / "book" / "_ext"))

from explorable import explore_html, films, guess, places, surface  # noqa: E402
from stored import Stored  # noqa: E402

METRICS = "([lists, n, rules]) => lists.map(hits => window.explore.metrics(hits, n, rules))"


def stored(name: str) -> Stored:
    return Stored(ROOT / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def tail() -> dict:
    return guess(stored("sparsity"), "tail")


@pytest.fixture
def opened(context, tmp_path, tail):
    """Open a page with the four kinds of figures from its file, and see at the end that nothing went wrong."""
    (tmp_path / "_static").symlink_to(ROOT / "book" / "_static")
    static = "_static/explore/"
    parts = [
        explore_html("films", films(stored("evaluation")), "Move the films.", static),
        explore_html("places", places(stored("evaluation")), "Follow a model.", static),
        explore_html("surface", surface(stored("implicit")), "Move both.", static),
        explore_html("guess", tail, "What share?", static),
        f'<div class="cell_output"><p>They hold {tail["answer"]}% of all ratings.</p></div>',
    ]
    html = PAGE.replace("Live", "Explore").replace("RECOMMENDER", "\n".join(parts))
    (tmp_path / "page.html").write_text(html, "utf8")
    yield open_page(context, (tmp_path / "page.html").as_uri(), tmp_path.as_uri())
    assert context.troubles == []


@pytest.mark.parametrize("extra", [0, 1, 4, 10])
def test_metrics_are_those_of_the_package_in_every_order(opened, extra):
    listed, relevant = films(stored("evaluation"))["films"], films(stored("evaluation"))["relevant"]
    wanted = [*relevant, *map(str, range(extra))]
    orders = list(permutations(listed))
    judged = judge(orders, [wanted] * len(orders))
    hits = [[film in relevant for film in order] for order in orders]
    by_rules = {
        ("k", "all", "most", "most"): ("k", "relevant", "capped"),
        ("most", "most", "all", "most"): ("capped", "capped", "relevant"),
        ("k", "all", "k", "most"): ("k", "relevant", "k"),
    }
    for rules, (of_precision, of_recall, of_ap) in by_rules.items():
        found = np.array(opened.evaluate(METRICS, [hits, len(wanted), rules]))
        ours = [
            precision(judged, 5, denominator=of_precision), recall(judged, 5, denominator=of_recall),
            average_precision(judged, 5, denominator=of_ap), ndcg(judged, 5),
        ]
        assert np.allclose(found, np.transpose(ours), atol=1e-12)


def test_ideal_lists_of_other_libraries(opened):
    """Three hits of five places, all relevant: first RecTools' ideal of five hits, then two places undiscounted."""
    hits = [True, False, True, True, False]
    gains = 1 / np.log2(np.arange(2, 7))
    (found,) = opened.evaluate(METRICS, [[hits], 3, ["k", "all", "all", "k"]])
    assert found[3] == pytest.approx(gains[hits].sum() / gains.sum())
    (found,) = opened.evaluate(METRICS, [[hits], 3, ["k", "all", "all", "flat"]])
    assert found[3] == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 + 1 / np.log2(3)))
    assert opened.evaluate(METRICS, [[hits], 0, ["k", "all", "all", "k"]]) == [[None] * 4]


def names(page):
    return page.locator(".explore-name").all_inner_texts()


def test_films_move_by_key_button_and_pointer(opened):
    first, second, *rest = start = names(opened)
    table = opened.locator(".explore-films tbody tr").last
    before = table.inner_text()
    opened.get_by_role("button", name=f"Move {first} down").focus()
    opened.keyboard.press("ArrowDown")
    assert names(opened) == [second, first, *rest]
    assert table.inner_text() != before
    said = opened.locator(".explore-films [role=status]").inner_text()
    assert f"{first} at place 2" in said and "As before: precision, recall." in said
    opened.keyboard.press("ArrowUp")
    assert names(opened) == start and table.inner_text() == before
    opened.get_by_role("button", name=f"Move {first} down").click()
    assert names(opened) == [second, first, *rest]
    opened.get_by_role("button", name="Start again").click()
    assert names(opened) == start
    boxes = [opened.locator(".explore-name").nth(i).bounding_box() for i in (0, 4)]
    opened.mouse.move(boxes[0]["x"] + 20, boxes[0]["y"] + 5)
    opened.mouse.down()
    opened.mouse.move(boxes[1]["x"] + 20, boxes[1]["y"] + 18, steps=12)
    opened.mouse.up()
    assert names(opened) == [second, *rest, first]


def test_a_followed_model_is_told_by_the_tables_numbers(opened):
    data = places(stored("evaluation"))
    name, *values = data["models"][2]
    opened.locator(".explore-places").get_by_role("button", name=name, exact=True).click()
    said = opened.locator(".explore-places [role=status]").inner_text()
    assert all(f"{value:.3f} ({protocol})" in said for value, protocol in zip(values, data["protocols"], strict=True))
    rows = [["a", 3, 1], ["b", 2, 2], ["c", 2, 0]]
    assert opened.evaluate("rows => window.explore.crossings(rows, 1, 2)", rows) == [["a", "b"]]


def test_every_pair_of_the_surface_shows_the_tables_value(opened):
    head, *rows = stored("implicit").table("measured pairs of alpha and penalty")
    pairs = {(reading, alpha): values for reading, alpha, *values in rows}
    box, said = opened.locator(".explore-surface"), opened.locator(".explore-surface [role=status]")
    alpha_bar, penalty_bar = box.get_by_label("Confidence α"), box.get_by_label("Penalty λ")
    for reading in dict.fromkeys(reading for reading, _ in pairs):
        box.get_by_role("button", name=reading, exact=True).click()
        lines = [(alpha, values) for (name, alpha), values in pairs.items() if name == reading]
        peak = max(float(value) for _, values in lines for value in values)
        for i, (alpha, values) in enumerate(lines):
            alpha_bar.fill(str(i))
            for j, value in enumerate(values):
                penalty_bar.fill(str(j))
                assert f"{reading}, α = {alpha}, {head[2 + j]}: nDCG@10 {value}." in said.inner_text()
                top = max(float(line[j]) for _, line in lines)
                wanted = [f"with {top:.3f}: {peak - top:.3f} below the best point"]
                wanted += [f"with {top:.3f}: the best point"] * (top == peak)
                assert any(text in said.inner_text() for text in wanted)
        # The star stands on the highest value
        stars = box.locator(".explore-best").bounding_box()
        cells = box.locator(".explore-cell")
        frames = [cell.locator("rect").bounding_box() for cell in cells.all()]
        x, y = stars["x"] + stars["width"] / 2, stars["y"] + stars["height"] / 2
        (on,) = (k for k, f in enumerate(frames) if 0 < x - f["x"] < f["width"] and 0 < y - f["y"] < f["height"])
        assert float(cells.nth(on).text_content()) == peak


def test_a_pair_is_picked_by_key_and_click_and_is_the_nearest_measured_one(opened):
    data = surface(stored("implicit"))
    box, said = opened.locator(".explore-surface"), opened.locator(".explore-surface [role=status]")
    (first, start), (second, other) = list(data["readings"].items())[:2]
    bar = box.get_by_label("Confidence α")
    bar.focus()
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    kept = start["alphas"][1]
    assert f"{first}, α = {kept:g}, λ = {data['penalties'][0]:g}: " in said.inner_text()
    box.locator(".explore-cell").nth(2).click()
    assert f"{first}, α = {start['alphas'][0]:g}, λ = {data['penalties'][2]:g}: " in said.inner_text()
    assert (bar.input_value(), box.get_by_label("Penalty λ").input_value()) == ("0", "2")
    box.get_by_role("button", name=second, exact=True).click()
    near = min(other["alphas"], key=lambda alpha: abs(np.log(alpha / start["alphas"][0])))
    assert f"{second}, α = {near:g}, λ = {data['penalties'][2]:g}: " in said.inner_text()
    assert bar.get_attribute("aria-valuetext") == f"{near:g}"
    box.get_by_role("button", name=first, exact=True).click()
    assert f"{first}, α = {start['alphas'][0]:g}, " in said.inner_text()
    measured = other["alphas"]
    for wanted in np.geomspace(0.001, 1000, 25):
        found = opened.evaluate("([all, one]) => window.explore.nearest(all, one)", [measured, float(wanted)])
        assert found == np.abs(np.log(np.array(measured) / wanted)).argmin()
    assert opened.evaluate("rows => window.explore.bestRows(rows, 1)", [[1, 2], [3, 1], [0, 2]]) == [0, 2]


def test_the_answer_waits_for_the_guess(opened, tail):
    answer = opened.locator(".cell_output p")
    assert not answer.is_visible()
    slider = opened.get_by_label("Your guess")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    opened.get_by_role("button", name="That is my guess").click()
    assert answer.is_visible()
    assert f"You guessed 51%. Computed below: {tail['answer']}%." in opened.locator(".explore-guess").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_and_narrow(opened, theme):
    opened.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    opened.get_by_role("button", name="PureSVD", exact=True).click()
    assert axe(opened) == []
    opened.set_viewport_size({"width": 390, "height": 800})
    assert opened.evaluate(OVERFLOW) == []
