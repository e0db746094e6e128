"""The built site in a real browser: nothing foreign, nothing failing, readable by everyone.

The browser is the one that ``$CHROMIUM`` names, one of Chromium's family on the path, or Playwright's own. Where there
is none the tests that need it are skipped, but fail in continuous integration.
"""

import os
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from site_build import ROOT, Page, build, chapters, serve, toc_pages

PAGES = toc_pages()
CHAPTERS = chapters()
BASE = os.environ.get("BOOK_URL", "").rstrip("/")  # where the site will stand, if it was built for a place
LIGHT, HEAVY = 600_000, 2_000_000  # bytes of a plain page, and of a chapter or one with formulas, all that they load
# Adds up how far things move that nobody moved.
SHIFTS = """window.shifts = 0;
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({type: 'layout-shift', buffered: true});"""
# Left, top and width of what a page begins with, in whole pixels.
BOXES = """async () => {
    await document.fonts.ready;
    return [...document.querySelectorAll('.bd-article :is(h1, p, ul, table, .admonition, .live)')].map(e => {
        const box = e.getBoundingClientRect();
        return [e.tagName, Math.round(box.left), Math.round(box.top), Math.round(box.width)];
    });
}"""
# Scrolls through the page, so that lazy images come.
SCROLL = """async () => {
    const step = async y => { scrollTo(0, y); await new Promise(done => setTimeout(done, 20)); };
    for (let y = 0; y < document.body.scrollHeight; y += 800) await step(y);
    await step(0);
}"""
# Code that is not shown in full at its right edge.
CUT = """() => [...document.querySelectorAll('div.cell_input pre')]
    .filter(pre => pre.clientWidth && pre.scrollWidth > pre.clientWidth + 1).map(pre => pre.textContent.slice(0, 80))"""
# Characters in the lines of long paragraphs, their last ones aside, in order.
LINES = """() => {
    const counts = [], range = document.createRange();
    for (const p of document.querySelectorAll('.bd-article section > p')) {
        if (p.querySelector('.math') || p.textContent.length < 200) continue;
        const lines = {}, walk = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) for (let i = 0; i < walk.currentNode.length; i++) {
            range.setStart(walk.currentNode, i);
            range.setEnd(walk.currentNode, i + 1);
            const box = range.getClientRects()[0];
            if (box) { const line = Math.round(box.bottom / 8); lines[line] = (lines[line] || 0) + 1; }
        }
        counts.push(...Object.values(lines).slice(0, -1));
    }
    return counts.sort((a, b) => a - b);
}"""
# All code has the same few colours: the contrast of the words in a dozen blocks is enough, and fast to check.
HIDE_MOST_CODE = """() => {
    for (const block of [...document.querySelectorAll('pre')].slice(12)) block.style.visibility = 'hidden';
}"""
# axe-core measures no contrast before a gradient; those that mark a scrolling edge are as light as what they lie on.
FLAT = ".bd-article pre, .rs-table, .pst-scrollable-table-container { background-image: none !important }"
# Waits until the theme has set its colours and MathJax has typeset whatever there is.
READY = """async () => {
    await document.fonts.ready;
    if (document.querySelector('.math')) {
        while (!window.MathJax?.startup?.promise) await new Promise(done => setTimeout(done, 20));
        await MathJax.startup.promise;
    }
}"""
# Elements that stick out of the window, unless an ancestor scrolls them.
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth, out = [];
    const scrolled = e => e && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX)
        || scrolled(e.parentElement.closest('.bd-article *')));
    for (const e of document.querySelectorAll('.bd-article *'))
        if (e.getBoundingClientRect().right > width + 1 && !scrolled(e))
            out.push(e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60));
    if (document.scrollingElement.scrollWidth > width)
        out.push('the page is ' + document.scrollingElement.scrollWidth + ' pixels wide');
    return out.slice(-5);
}"""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Folder of the pages: the one that $BOOK_SITE names, else built for this run; a build with warnings fails here."""
    if there := os.environ.get("BOOK_SITE"):
        return Path(there).resolve()
    return build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def address(site):
    """Address of a local server of the site."""
    with serve(site) as url:
        yield url


def open_page(context, url, origin):
    """Open `url`, note every request beyond `origin`, failure and console error, wait until it is ready."""
    page = context.new_page()

    def on_request(request):
        if not request.url.startswith((origin, "data:", "blob:")):
            context.troubles.append(f"external request: {request.url}")

    def on_response(response):
        if response.status >= 400:
            context.troubles.append(f"status {response.status}: {response.url}")

    def on_console(message):
        if message.type in ("error", "warning"):
            context.troubles.append(f"console {message.type}: {message.text}")

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("requestfailed", lambda request: context.troubles.append(f"request failed: {request.url}"))
    page.on("console", on_console)
    page.on("pageerror", lambda error: context.troubles.append(f"page error: {error}"))
    page.goto(url, wait_until="load")
    page.evaluate(READY)
    return page


def axe(page, **options):
    """Violations that axe-core finds, one line each."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8"))
        page.add_style_tag(content=FLAT)
    page.evaluate(HIDE_MOST_CODE)
    options = {"resultTypes": ["violations"], "preload": False, **options}
    result = page.evaluate("async options => (await axe.run(document, options)).violations", options)
    return [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[-1].strip()})"
        for violation in result
        for node in violation["nodes"][:3]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_from_a_server(context, address, name):
    sizes = {}
    context.add_init_script(SHIFTS)
    context.on("response", lambda response: sizes.update({response.url: response}))
    page = open_page(context, f"{address}/{name}.html", address)
    page.evaluate(SCROLL)

    formulas = page.locator(".bd-article .math").count()
    assert page.locator(".bd-article mjx-container").count() >= formulas
    assert page.locator(".bd-article .math:not(:has(mjx-container))").count() == 0
    assert page.locator("mjx-merror").count() == 0
    broken = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert page.evaluate(broken) == []

    weight = sum(len(response.body()) for url, response in sizes.items() if "/live/model.js" not in url)
    assert weight <= (HEAVY if formulas or name in CHAPTERS else LIGHT), f"{weight // 1000} KB"
    assert page.evaluate("() => window.shifts") <= 0.02
    assert page.locator("mjx-container[tabindex='0']").count() == 0, "formulas are no tab stops"
    assert page.evaluate(CUT) == [], "code cut at 1280 pixels"
    if name in CHAPTERS:
        lines = page.evaluate(LINES)
        assert 60 <= lines[len(lines) // 2] <= 75

    assert page.evaluate("() => document.documentElement.dataset.theme") == "light"
    assert axe(page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    assert axe(page, runOnly=["color-contrast"]) == []  # all that a theme changes

    for width in (768, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(OVERFLOW) == [], f"at {width} pixels"
    assert context.troubles == []


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("book/index", '<p class="book-actions'),
        ("book/live", '<div class="live '),
        ("book/status", "</caption>"),
        (CHAPTERS[0], '<div class="cell '),
    ],
)
def test_the_beginning_of_a_page_stands_where_it_will_stand(context, address, site, name, mark):
    """A slow machine paints a page before the whole of it is there and before its scripts have run."""
    whole = (site / f"{name}.html").read_text("utf8")
    beginning = whole[: whole.index(mark)] + mark
    page = context.new_page()
    page.goto(f"{address}/{name}.html", wait_until="load")
    there = page.evaluate(BOXES)
    page.route(f"**/{name}.html", lambda route: route.fulfill(content_type="text/html", body=beginning))
    page.goto(f"{address}/{name}.html", wait_until="load")
    begun = page.evaluate(BOXES)
    assert begun and begun == there[: len(begun)]


@pytest.mark.parametrize(("scripts", "theme"), [(True, "dark"), (False, "light")])
def test_colours_do_not_wait_for_the_theme(browser, address, scripts, theme):
    """Without its script, or without any, a page has colours and one of each pair of pictures."""
    context = browser.new_context(color_scheme="dark", java_script_enabled=scripts)
    context.route("**/pydata-sphinx-theme.js*", lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{address}/book/index.html")
    assert page.locator("html").get_attribute("data-theme") == theme
    assert page.locator("img.book-product:visible").count() == 1
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_from_a_file(context, site, name):
    page = open_page(context, (site / f"{name}.html").as_uri(), site.as_uri())
    assert page.locator("h1").first.inner_text().strip("#\n ")
    assert page.locator(".bd-article .math:not(:has(mjx-container))").count() == 0
    assert context.troubles == []


@pytest.mark.parametrize("name", ["search", "genindex"])
def test_generated_page(context, address, name):
    page = open_page(context, f"{address}/{name}.html", address)
    assert axe(page) == []
    assert context.troubles == []


def test_front_door_leads_to_the_book(context, address):
    page = context.new_page()
    page.goto(f"{address}/index.html")
    page.wait_for_url("**/book/index.html")
    assert "Factor by Factor" in page.title()


def found(context, site, words):
    """What the search finds from a file: (text, address), best first."""
    page = open_page(context, (site / "search.html").as_uri() + f"?q={words}", site.as_uri())
    page.get_by_text(re.compile("found|did not match")).first.wait_for()
    return page.locator("#search-results li").evaluate_all(
        "items => items.map(item => [item.textContent, item.querySelector('a').getAttribute('href')])"
    )


def test_search_finds_sections_before_names_of_the_api(context, site):
    results = found(context, site, "fold in")
    api = [i for i, (_, address) in enumerate(results) if address.startswith("book/api/")]
    prose = [i for i, (_, address) in enumerate(results) if address.startswith("notebooks/")]
    assert prose and api and max(prose) < min(api)
    assert sum("#" in results[i][1] for i in prose) > len(prose) / 2
    assert any("Glossary" in text for text, _ in results)
    assert len({address for _, address in results}) == len(results)
    assert context.troubles == []


def test_search_leaves_code_out(context, site):
    assert [address for _, address in found(context, site, "use_book_style") if address.startswith("notebooks/")] == []


def test_colour_mode_is_remembered(context, address):
    page = open_page(context, f"{address}/book/index.html", address)
    button = page.locator(".theme-switch-button:visible").first
    while page.evaluate("() => document.documentElement.dataset.mode") != "dark":
        button.click()
    page.goto(f"{address}/book/glossary.html")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_solutions_open_by_keyboard(context, address):
    page = open_page(context, f"{address}/{CHAPTERS[0]}.html", address)
    solution = page.locator("div.solution.dropdown").first
    assert "toggle-hidden" in solution.get_attribute("class")
    solution.locator("button.toggle-button").focus()
    page.keyboard.press("Enter")
    assert "toggle-hidden" not in solution.get_attribute("class")


def test_code_is_shown_as_the_reader_chose(context, site):
    url = (site / f"{CHAPTERS[0]}.html").as_uri()
    page = open_page(context, url, site.as_uri())
    cells = ".bd-article div.cell_input:not(div.solution *)"

    def seen():
        return page.locator(cells).evaluate_all("cells => cells.filter(cell => cell.checkVisibility()).length")

    key = seen()
    assert page.get_by_role("radio", name="key").is_checked()
    page.get_by_role("radio", name="key").focus()
    page.keyboard.press("ArrowRight")
    assert seen() == 0
    page = open_page(context, url, site.as_uri())
    assert page.get_by_role("radio", name="none").is_checked() and seen() == 0
    page.locator("details.book-fold > summary:not(div.solution *)").first.click()
    assert seen() == 1
    page.get_by_role("radio", name="all").check()
    assert seen() > key > 1
    page.get_by_role("radio", name="key").check()
    assert seen() == key
    assert context.troubles == []


def test_a_figure_is_enlarged_on_a_phone(context, address):
    page = open_page(context, f"{address}/{CHAPTERS[0]}.html", address)
    button = page.get_by_role("button", name="Enlarge").first
    assert not button.is_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    button.click()
    assert page.locator("dialog[open] img").bounding_box()["width"] >= 600
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_a_missing_page_leads_on(context, address, site):
    """A server shows 404.html under whatever address was asked for."""
    text = (site / "404.html").read_text("utf8")
    if prefix := urlsplit(BASE).path:
        text = text.replace(f"{prefix}/404.html", "/404.html")
    page = context.new_page()
    missing = f"{address}/notebooks/deep/fold-in.html"
    page.route(missing, lambda route: route.fulfill(status=404, content_type="text/html", body=text))
    page.goto(missing)
    assert axe(page) == []
    box = page.get_by_label("Words")
    assert box.input_value() == "fold in"
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.locator("#search-results li a").first.wait_for()


def test_the_contents_follow_the_reader(context, address):
    longest = max(CHAPTERS, key=lambda name: (ROOT / f"{name}.ipynb").stat().st_size)
    page = open_page(context, f"{address}/{longest}.html", address)
    lost, heights = [], page.evaluate("() => document.body.scrollHeight")
    for y in range(0, heights, heights // 25):
        page.evaluate(f"() => scrollTo(0, {y})")
        page.wait_for_timeout(60)
        lost += page.evaluate("""() => [...document.querySelectorAll('.bd-sidebar-secondary a.active')].slice(-1)
            .filter(a => { const b = a.getBoundingClientRect(); return b.top < 0 || b.bottom > innerHeight; })
            .map(a => a.textContent.trim())""")
    assert lost == []


def test_a_line_of_88_characters_fits_at_1280_pixels(context, address):
    """The width that a chapter's code is held to, see test_chapter_code.py."""
    page = open_page(context, f"{address}/{CHAPTERS[0]}.html", address)
    room = """() => {
        const pre = document.querySelector('div.cell_input pre'), style = getComputedStyle(pre);
        pre.textContent = 'x'.repeat(88);
        return [pre.scrollWidth, pre.clientWidth, style.fontSize];
    }"""
    needed, there, size = page.evaluate(room)
    assert needed <= there, f"code of {size}"
    assert float(size.removesuffix("px")) >= 12


def test_focus_is_seen_on_every_control(context, address):
    page = open_page(context, f"{address}/{CHAPTERS[0]}.html", address)
    unseen, seen = [], 0
    for _ in range(60):
        page.keyboard.press("Tab")
        style = page.evaluate("""() => {
            const e = document.activeElement, s = getComputedStyle(e);
            return [e.tagName + '.' + e.className, s.outlineStyle, parseFloat(s.outlineWidth)];
        }""")
        seen += 1
        if not style[0].startswith("BODY") and (style[1] == "none" or style[2] < 1):
            unseen.append(style[0])
    assert seen and unseen == []


def test_print_is_light_complete_and_not_cut(context, address):
    context.set_default_timeout(30_000)
    page = open_page(context, f"{address}/{CHAPTERS[0]}.html", address)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "light"
    cut = "() => [...document.querySelectorAll('.bd-article pre')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert page.evaluate(cut + ".length") == 0
    assert not page.locator("#jb-print-docs-body").is_visible()
    assert page.locator(".bd-article h1").first.is_visible()
    assert all(page.locator(".bd-article div.solution > section").nth(i).is_visible() for i in range(2))
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


# --------------------------------------------------------- without a browser


@pytest.fixture(scope="session")
def parsed(site):
    """Every page of the site, parsed, by its path."""
    pages = (path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)
    return {path: Page(path) for path in pages}


def test_every_internal_link_and_anchor_holds(site, parsed):
    broken = []
    for path, page in parsed.items():
        for _, reference in page.references:
            parts = urlsplit(reference)
            if parts.scheme or reference.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            where = f"{path.relative_to(site)}: {reference}"
            if not target.exists():
                broken.append(f"{where} (no such file)")
            elif parts.fragment and target in parsed and unquote(parts.fragment) not in parsed[target].ids:
                broken.append(f"{where} (no such anchor)")
    assert broken == []


def test_no_page_names_a_foreign_script_style_or_image(site, parsed):
    foreign = [
        f"{path.relative_to(site)}: {tag} {reference}"
        for path, page in parsed.items()
        for tag, reference in page.references
        if tag in ("script", "link", "img", "iframe", "source") and urlsplit(reference).netloc
        and not (BASE and reference.startswith(f"{BASE}/"))  # canonical
    ]
    assert foreign == []


def test_ids_are_unique(site, parsed):
    double = {
        str(path.relative_to(site)): sorted({i for i in page.ids if page.ids.count(i) > 1})
        for path, page in parsed.items()
    }
    assert {name: ids for name, ids in double.items() if ids} == {}


@pytest.mark.parametrize("name", PAGES)
def test_head(site, parsed, name):
    page = parsed[site / f"{name}.html"]
    assert ("html", "en") in [(tag, attrs.get("lang")) for tag, attrs in page.elements]
    assert (page.title.strip() == "Factor by Factor") == (name == "book/index"), page.title
    description = page.meta("description")
    assert 50 <= len(description) <= 220, description
    assert page.meta("og:description") == description
    assert page.meta("og:title")
    assert page.meta("twitter:card") == "summary_large_image"
    assert "<" not in page.meta("og:title")
    card = page.meta("og:image")
    assert card.endswith(f"cards/{name.removeprefix('notebooks/')}.png" if name in CHAPTERS else "social-card.png")
    (canonical,) = [attrs["href"] for tag, attrs in page.elements if attrs.get("rel") == "canonical"]
    if BASE:
        assert (site / card.removeprefix(f"{BASE}/")).is_file()
        assert canonical == page.meta("og:url") == f"{BASE}/{name}.html"
    else:
        assert (site / name).parent.joinpath(card).resolve().is_file()
        assert canonical == f"{name.rpartition('/')[2]}.html"
    # Jupyter Book repeats the title in a block that only print shows.
    assert sum(tag == "h1" for tag, _ in page.elements) <= 2


def test_descriptions_differ(site, parsed):
    descriptions = [parsed[site / f"{name}.html"].meta("description") for name in PAGES]
    assert len(set(descriptions)) == len(descriptions)


def test_every_image_has_a_text(site, parsed):
    decoration = {"logo__image", "decoration"}  # beside the text of the link that they stand in
    silent = [
        f"{path.relative_to(site)}: {attrs.get('src')}"
        for path, page in parsed.items()
        for tag, attrs in page.elements
        if tag == "img" and not attrs.get("alt") and not decoration & set(attrs.get("class", "").split())
    ]
    assert silent == []


def test_mathjax_is_local_and_small(site):
    folder = site / "_static" / "mathjax"
    assert (folder / "startup.js").is_file()
    assert list(folder.rglob("*.woff"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_500_000


def test_a_page_loads_only_the_scripts_that_it_needs(site, parsed):
    for path, page in parsed.items():
        scripts = " ".join(reference for tag, reference in page.references if tag == "script")
        formulas = any("math" in attrs.get("class", "").split() for _, attrs in page.elements)
        assert ("mathjax/" in scripts) == formulas, path.relative_to(site)
        assert "fontawesome" not in scripts


def test_no_live_code_service_is_named(site, parsed):
    for path in parsed:
        found = re.search(r"thebe|unpkg\.com|cdn\.jsdelivr|cdnjs", path.read_text("utf8"))
        assert not found, path.relative_to(site)


def test_chapters_and_their_figures_are_numbered_from_one(site):
    for number, name in enumerate(CHAPTERS, start=1):
        text = (site / f"{name}.html").read_text("utf8")
        assert f'<h1><span class="section-number">{number}. </span>' in text
        figures = re.findall(r'<span class="caption-number">Fig\. ([\d.]+) </span>', text)
        assert figures == [f"{number}.{i}" for i in range(1, len(figures) + 1)]


def test_status_page_lists_every_notebook(site, parsed):
    links = {reference for tag, reference in parsed[site / "book/status.html"].references if tag == "a"}
    assert {f"../{name}.html" for name in PAGES if name.startswith("notebooks/")} <= links


def test_landing_page_lists_every_chapter(site, parsed):
    text = (site / "book/index.html").read_text("utf8")
    cards, chart = (text[text.index(f'class="{part}"') :] for part in ("chapter-list", "chapter-map"))
    for name in CHAPTERS:
        assert f'<a href="../{name}.html"><img src="../_static/cards/{name.removeprefix("notebooks/")}.webp"' in cards
        assert f'<a href="../{name}.html" aria-label' in chart
        assert (site / "_static" / "cards" / f"{name.removeprefix('notebooks/')}.webp").is_file()


def test_figures_have_the_size_at_which_they_were_drawn_and_come_when_needed(site):
    for path in (site / "notebooks").glob("*.html"):
        for image in re.findall(r"<img[^>]+_images/[^>]+\.png[^>]*>", path.read_text("utf8")):
            drawn = re.search(r'_images/([^"]+)".* width="(\d+)" height="\d+" loading="lazy"', image)
            assert drawn, f"{path.name}: {image}"
            assert int(drawn[2]) == png_width(site / "_images" / drawn[1]) // 2


def png_width(path):
    return int.from_bytes(path.read_bytes()[16:20], "big")


def test_a_chapter_ends_with_how_to_cite_it(site, parsed):
    for name in CHAPTERS:
        text = (site / f"{name}.html").read_text("utf8").split('class="page-end"')[1]
        assert "@incollection{factor-by-factor:" in text
        assert ("template=error.yml&amp;page=notebooks" in text) == bool(os.environ.get("BOOK_REPOSITORY"))


def test_the_feed_is_linked_and_there(site, parsed):
    (feed,) = [a["href"] for _, a in parsed[site / "book/index.html"].elements if a.get("rel") == "alternate"]
    assert (site / "book" / feed).resolve() == (site / "changes.xml").resolve()
    assert "<entry>" in (site / "changes.xml").read_text("utf8")
    assert (site / "sitemap.xml").is_file() == bool(BASE)


def test_the_licence_of_the_typeface_is_shipped(site):
    assert "SIL Open Font License" in (site / "_static/fonts/LICENSE-SourceSerif4.txt").read_text("utf8")
    assert (ROOT / "book/LICENSE").is_file()
