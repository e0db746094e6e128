"""The built site in a real browser: nothing foreign, nothing failing, readable by everyone.

The browser is the one that ``$CHROMIUM`` names, one of Chromium's family on the path, or Playwright's own. Where there
is none the tests that need it are skipped, but fail in continuous integration.
"""

import re
from importlib.resources import files
from urllib.parse import unquote, urlsplit

import pytest
from site_build import ROOT, Page, build, serve, toc_pages

PAGES = toc_pages()
CHAPTERS = [name for name in PAGES if name.startswith("notebooks/")]
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
    """Folder of the pages, built for this run; a build with warnings fails here."""
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
    page = open_page(context, f"{address}/{name}.html", address)

    formulas = page.locator(".bd-article .math").count()
    assert page.locator(".bd-article mjx-container").count() >= formulas
    assert page.locator(".bd-article .math:not(:has(mjx-container))").count() == 0
    assert page.locator("mjx-merror").count() == 0
    broken = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert page.evaluate(broken) == []

    assert page.evaluate("() => document.documentElement.dataset.theme") == "light"
    assert axe(page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    assert axe(page, runOnly=["color-contrast"]) == []  # all that a theme changes

    for width in (768, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(OVERFLOW) == [], f"at {width} pixels"
    assert context.troubles == []


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


def test_search_finds_a_term_from_a_file(context, site):
    page = open_page(context, (site / "search.html").as_uri() + "?q=fold-in", site.as_uri())
    page.locator("#search-results li a", has_text="Glossary").first.wait_for()
    assert context.troubles == []


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
    assert (site / name).parent.joinpath(page.meta("og:image")).resolve().is_file()
    (canonical,) = [attrs["href"] for tag, attrs in page.elements if attrs.get("rel") == "canonical"]
    assert canonical == f"{name.rpartition('/')[2]}.html"
    # Jupyter Book repeats the title in a block that only print shows.
    assert sum(tag == "h1" for tag, _ in page.elements) <= 2


def test_descriptions_differ(site, parsed):
    descriptions = [parsed[site / f"{name}.html"].meta("description") for name in PAGES]
    assert len(set(descriptions)) == len(descriptions)


def test_every_image_has_a_text(site, parsed):
    silent = [
        f"{path.relative_to(site)}: {attrs.get('src')}"
        for path, page in parsed.items()
        for tag, attrs in page.elements
        if tag == "img" and not attrs.get("alt") and "logo__image" not in attrs.get("class", "")
    ]
    assert silent == []


def test_mathjax_is_local_and_small(site):
    folder = site / "_static" / "mathjax"
    assert (folder / "tex-chtml.js").is_file()
    assert list(folder.rglob("*.woff"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2_000_000


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
    listed = text[text.index("chapter-list") :]
    for name in PAGES:
        if name.startswith("notebooks/"):
            assert f'href="../{name}.html"' in listed


def test_retina_figures_are_shown_at_their_drawn_size(site):
    for path in (site / "notebooks").glob("*.html"):
        for image in re.findall(r"<img[^>]+_images/[^>]+\.png[^>]*>", path.read_text("utf8")):
            assert "width:" in image, f"{path.name}: {image}"


def test_the_licence_of_the_typeface_is_shipped(site):
    assert "SIL Open Font License" in (site / "_static/fonts/LICENSE-SourceSerif4.txt").read_text("utf8")
    assert (ROOT / "book/LICENSE").is_file()
