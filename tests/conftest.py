"""The browser that all tests of the site share."""

import os

import pytest
from site_build import BROWSERS, find_browser

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        if path is None:
            tell = f"NO BROWSER among {', '.join(BROWSERS)}: pages are NOT tested. Install chromium or set CHROMIUM"
            integration = os.environ.get("CI") or os.environ.get("RECSYS_FORBID_SKIPS") == "1"
            pytest.fail(tell) if integration else pytest.skip(tell)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser):
    """A fresh profile of ordinary desktop size that logs whatever goes wrong on its pages."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    context.troubles = []
    context.set_default_timeout(60_000)
    yield context
    context.close()
