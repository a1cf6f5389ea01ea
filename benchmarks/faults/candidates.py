"""Correct kernels that faults are put into, each with the kernel that says what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import corpus
from mutants.corpus import cases

import xpiler_tvm as xt
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


Maker = Callable[[], Candidate]


def makers() -> dict[str, Maker]:
    """What makes each candidate, by its name: translations take their time.

    Kernels written by hand are those of the mutation score, and of the corpus in C; the others are
    what this project makes of some of them, held against what they were made of.
    """
    found: dict[str, Maker] = {}
    for name, case in cases().items():
        found[name] = partial(Candidate, name, case.kernel, case.kernel)
    for entry in corpus.entries("vnni"):
        found[f"vnni/{entry.name}"] = partial(_of_corpus, entry)
    for name in TRANSLATED:
        for target in DIALECTS:
            found[f"{name} as {target}"] = partial(_translated, name, target)
    return found


def _of_corpus(entry: corpus.Entry) -> Candidate:
    kernel = entry.cheapest().kernel
    return Candidate(f"vnni/{entry.name}", kernel, kernel)


def _translated(name: str, target: Dialect) -> Candidate:
    """Raises `XpilerError` where there is no translation."""
    source = cases()[name].kernel
    made = xt.transcompile(source, target).kernel
    return Candidate(f"{name} as {target}", replace(made, filename=f"{name}-{target}"), source)
