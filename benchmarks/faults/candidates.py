"""Correct kernels that faults are put into, each with the kernel that says what is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import corpus
from mutants.corpus import cases

import xpiler_tvm as xt
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.kernel import Dialect, Kernel

DIALECTS: tuple[Dialect, ...] = ("cuda", "hip", "bang", "vnni")
# Sources of which our translations to all targets take faults, too.
TRANSLATED = ("axpy.cu", "softmax_rows.cu", "matmul_tile.cu", "maxpool.cu", "transpose_tile.cu")


@dataclass(frozen=True)
class Candidate:
    """A correct kernel, and the source that repairs are held against."""

    name: str
    kernel: Kernel
    source: Kernel


def written() -> Iterator[Candidate]:
    """Kernels written by hand: those of the mutation score, and of the corpus in C."""
    for name, case in cases().items():
        yield Candidate(name, case.kernel, case.kernel)
    for entry in corpus.entries("vnni"):
        kernel = entry.cheapest().kernel
        yield Candidate(f"vnni/{entry.name}", kernel, kernel)


def translated() -> Iterator[Candidate]:
    """What this project makes of some of them, held against what it was made of."""
    for name in TRANSLATED:
        source = cases()[name].kernel
        for target in DIALECTS:
            try:
                made = xt.transcompile(source, target).kernel
            except XpilerError:
                continue
            made = replace(made, filename=f"{name}-as-{target}")
            yield Candidate(f"{name} as {target}", made, source)
