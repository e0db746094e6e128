"""The figure style and the one helper that draws."""

import itertools

import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from recsys_utils.book import plotting  # noqa: E402
from recsys_utils.errors import InvalidInput  # noqa: E402


def luminance(colour):
    parts = matplotlib.colors.to_rgb(colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def lightness(colour):
    return 116 * luminance(colour) ** (1 / 3) - 16


@pytest.fixture
def style():
    with matplotlib.rc_context():
        plotting.use_book_style()
        yield
    plt.close("all")


def test_palette_survives_greyscale():
    gaps = [abs(lightness(a) - lightness(b)) for a, b in itertools.combinations(plotting.PALETTE, 2)]
    assert min(gaps) > 9


def test_leading_colours_and_text_stand_out_from_white():
    colours = [*plotting.PALETTE[:4], plotting.MUTED]
    contrast = {colour: 1.05 / (luminance(colour) + 0.05) for colour in colours}
    assert all(value >= 3 for value in contrast.values()), contrast  # WCAG 1.4.11
    assert 1.05 / (luminance(plotting.INK) + 0.05) >= 7


def test_sequential_map_darkens_all_the_way():
    steps = [lightness(plotting.CMAP(i / 20)[:3]) for i in range(21)]
    assert all(a > b for a, b in itertools.pairwise(steps))


def test_style_is_idempotent_and_white(style):
    first = dict(plt.rcParams)
    plotting.use_book_style()
    assert dict(plt.rcParams) == first
    assert matplotlib.colors.to_hex(plt.rcParams["figure.facecolor"]) == "#ffffff"
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"][0] == plotting.ACCENT
    assert plt.rcParams["image.cmap"] == "book"
    for name in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        assert matplotlib.colors.to_hex(plt.rcParams[name]) == plotting.INK
    assert matplotlib.colors.to_hex(plt.rcParams["axes.edgecolor"]) == plotting.MUTED


TABLE = pd.DataFrame(
    {"mean": [0.3, 0.4], "low": [0.2, 0.35], "high": [0.4, 0.5]}, index=["popularity", "EASE"]
)


def test_interval_plot_draws_rows_from_top_to_bottom(style):
    ax = plotting.interval_plot(TABLE, highlight="EASE", reference=0.475, xlabel="nDCG@10")
    labels = dict(zip((t.get_text() for t in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    assert labels["popularity"] > labels["EASE"]
    dots = ax.collections[1]
    assert dots.get_offsets()[:, 0].tolist() == [0.3, 0.4]
    assert [matplotlib.colors.to_hex(c) for c in dots.get_facecolors()] == [plotting.INK, plotting.ACCENT]
    whiskers = ax.collections[0].get_segments()
    assert [segment[:, 0].tolist() for segment in whiskers] == [[0.2, 0.4], [0.35, 0.5]]
    assert ax.get_xlabel() == "nDCG@10"


def test_interval_plot_takes_other_columns_and_axes(style):
    _, ax = plt.subplots()
    frame = TABLE.rename(columns={"mean": "rmse"})
    assert plotting.interval_plot(frame, value="rmse", ax=ax) is ax


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (TABLE.drop(columns="low"), "columns.*'low'"),
        (TABLE.iloc[:0], "0 rows"),
        (TABLE.assign(low=[0.2, 0.45]), "EASE"),
        (TABLE.assign(mean=[float("nan"), 0.4]), "popularity"),
    ],
)
def test_interval_plot_refuses(table, word):
    with pytest.raises(InvalidInput, match=word):
        plotting.interval_plot(table)
