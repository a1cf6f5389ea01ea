"""The kernels of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xpiler_tvm.errors import ReadError, XpilerError
from xpiler_tvm.frontends.resolving import unit_of
from xpiler_tvm.kernel import SUFFIXES, Kernel


def kernels_in(folder: str | Path) -> Iterator[tuple[str, Kernel]]:
    """Each kernel of each file below a folder, by the file's path and its own name.

    A file that cannot be parsed is a kernel too, whose translation says why. Files in C that have
    no suffix of their own dialect (`.c`, `.cc`, `.cpp`) are read as such. Raises `ReadError` XP1001
    where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ReadError("XP1001", f"{folder} is no folder")
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            yield from _kernels_of(path, str(path.relative_to(folder)))


def _kernels_of(path: Path, name: str) -> Iterator[tuple[str, Kernel]]:
    try:
        kernel = replace(Kernel.from_file(path), filename=name)
    except ReadError:  # not text
        return
    try:
        found = [one.name for one in unit_of(kernel.source, kernel.dialect, name).kernels]
    except XpilerError:
        found = []
    if kernel.dialect == "vnni" or len(found) < 2:
        yield name, kernel
        return
    for entry in found:
        yield f"{name}:{entry}", replace(kernel, entry=entry)
