"""Runs every notebook, writes it as HTML, and looks at the page in a browser.

    python notebooks/render.py --out build/notebooks

For each notebook: `NAME.light.html` and `NAME.dark.html`, and screenshots of both where Chromium
and playwright are installed. The exit code is 1 where a notebook fails, takes longer than two
minutes of CPU time, or where something on its page is cut off.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from browser import SCHEMES, looked_at
from nbclient import NotebookClient
from nbconvert import HTMLExporter

FOLDER = Path(__file__).parent
CPU_SECONDS = 120


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
