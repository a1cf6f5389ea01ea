"""Pages looked at in headless Chromium: screenshots, and what is cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

WINDOW = {"width": 1200, "height": 900}
SCHEMES = ("light", "dark")
OPEN_FOLDS = "document.querySelectorAll('details').forEach(fold => fold.open = true)"
# What would have to be scrolled sideways to be read, and what cannot be.
CUT_OFF = """[...document.querySelectorAll('*')]
    .filter(one => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
    .filter(one => one === document.documentElement
        || getComputedStyle(one).overflowX !== 'visible')
    .map(one => `${one.tagName} ${one.className}, ${one.clientWidth} of ${one.scrollWidth} wide`)"""


def looked_at(pages: Mapping[str, Path]) -> Iterator[str]:
    """What is wrong with pages, by colour scheme, with all folds open; screenshots stand beside."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("  not looked at: playwright or chromium is not installed")
        return
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, path in pages.items():
            page = browser.new_page(viewport=WINDOW, color_scheme=scheme)
            page.goto(path.resolve().as_uri())
            page.evaluate(OPEN_FOLDS)
            yield from (f"{path.name}: {found} is cut off" for found in page.evaluate(CUT_OFF))
            page.screenshot(path=path.with_suffix(".png"), full_page=True)
        browser.close()
