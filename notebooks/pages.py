"""Writes what notebooks show of three objects, and the report of a library, as pages of their own.

    python notebooks/pages.py --out build/notebooks

Of each a page and, where Chromium and playwright are installed, screenshots in light and dark. The
exit code is 1 where something on a page is cut off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from browser import SCHEMES, looked_at

import xpiler_tvm as xt
from xpiler_tvm.batch import Ledger
from xpiler_tvm.batch.report import write_report
from xpiler_tvm.batch.sources import kernels_in

FOLDER = Path(__file__).parent.parent
EXAMPLES = FOLDER / "examples"
HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>{}</title>'
STYLE = "<style>:root { color-scheme: light dark } body { margin: 0 }</style>"
LIBRARY = ("softmax.cu", "gelu.cu", "syntax_error.cu", "host_data.cu", "texture.cu")


def objects() -> Iterator[tuple[str, str]]:
    """The pages of a lifted kernel, its translation and a schedule by hand, by name."""
    lifted = xt.lift(xt.Kernel.from_file(EXAMPLES / "softmax.cu", args={"rows": 64, "cols": 128}))
    yield "lifted", lifted._repr_html_()
    yield "translation", xt.transcompile(lifted, "bang")._repr_html_()
    explore = xt.Explorer(lifted, "hip")
    explore.merge(*(f"{block}.i0" for block in explore.blocks))
    explore.bind(f"{explore.blocks[-1]}.i0_m", "blockIdx.x")
    yield "explorer", explore._repr_html_()


def library(path: Path) -> None:
    """The report of a small library, some of which is refused."""
    places = EXAMPLES, FOLDER / "tests" / "bad_inputs"
    with tempfile.TemporaryDirectory() as folder:
        for name in LIBRARY:
            found = next(place / name for place in places if (place / name).exists())
            (Path(folder) / name).write_bytes(found.read_bytes())
        with Ledger() as ledger:
            xt.transcompile_many(kernels_in(folder), ["hip", "bang"], jobs=1, ledger=ledger)
            write_report(ledger, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER / "build" / "notebooks")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        name: f"{HEAD.format(name)}{STYLE}<body>{page}</body></html>" for name, page in objects()
    }
    report = out / "library.html"
    library(report)
    texts["library"] = report.read_text(encoding="utf-8")
    wrong: list[str] = []
    for name, text in texts.items():
        pages = {scheme: out / f"page.{name}.{scheme}.html" for scheme in SCHEMES}
        for path in pages.values():
            path.write_text(text, encoding="utf-8")
        wrong += looked_at(pages)
        print(name, flush=True)
    for found in wrong:
        print(found, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
