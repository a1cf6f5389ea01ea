"""Runs every notebook, writes it as HTML, and looks at the page in a browser.

    python notebooks/render.py --out build/notebooks

For each notebook: `NAME.html`, and where Chromium and playwright are installed `NAME.light.png` and
`NAME.dark.png`. The exit code is 1 where a notebook fails, takes longer than two minutes of CPU
time, or where its page is wider than the window, so that something would be cut off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

FOLDER = Path(__file__).parent
CPU_SECONDS = 120
WINDOW = {"width": 1200, "height": 900}
SCHEMES = {"light": "light", "dark": "dark"}


def executed(path: Path) -> tuple[nbformat.NotebookNode, float]:
    """A notebook after its run, and the CPU seconds that took. Raises what a cell raises."""
    notebook = nbformat.read(path, as_version=4)
    before = os.times()
    NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    after = os.times()
    spent = after.children_user + after.children_system
    return notebook, spent - before.children_user - before.children_system


def write_html(notebook: nbformat.NotebookNode, path: Path, theme: str) -> None:
    body, _ = HTMLExporter(theme=theme).from_notebook_node(notebook)
    path.write_text(body, encoding="utf-8")


def looked_at(pages: dict[str, Path]) -> Iterator[str]:
    """What is wrong with pages, by theme, in a browser's window; screenshots stand beside them."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser_path = None
    if browser_path is None:
        print("  not looked at: playwright or chromium is not installed")
        return
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for scheme, path in pages.items():
            page = browser.new_page(viewport=WINDOW, color_scheme=SCHEMES[scheme])
            page.goto(path.resolve().as_uri())
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > WINDOW["width"]:
                yield f"{path.name} is {width} wide, the window {WINDOW['width']}"
            page.screenshot(path=path.with_suffix(".png"), full_page=True)
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER.parent / "build" / "notebooks")
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb; all unless given")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        if options.names and path.stem not in options.names:
            continue
        begun = time.perf_counter()
        notebook, seconds = executed(path)
        pages = {scheme: options.out / f"{path.stem}.{scheme}.html" for scheme in SCHEMES}
        for scheme, page in pages.items():
            write_html(notebook, page, scheme)
        print(f"{path.stem}: {seconds:.0f} CPU s, {time.perf_counter() - begun:.0f} s", flush=True)
        if seconds > CPU_SECONDS:
            wrong.append(f"{path.stem} takes {seconds:.0f} CPU seconds")
        wrong += looked_at(pages)
    for text in wrong:
        print(text, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
