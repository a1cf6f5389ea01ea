"""What indices of a broken kernel should have been, from traces of both kernels.

Which element of an input each element of an output depends on is seen by running the source with
parts of the input changed: element number d is found by the outputs that change with every bit of
d. Where the broken kernel stored a value, that value tells (by index-coded inputs) which element of
the output it was meant for; and where it stores, which element of an input it should have loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xpiler_tvm.emulation.repeated import Repeated
from xpiler_tvm.errors import XpilerError

from .holes import PARTS
from .sites import Site
from .solving import Samples
from .specification import Arrays, Specification
from .tree import Node
from .trials import TextTrials

_FEWEST = 4
_UNKNOWN = np.full(1, -1, np.int64)


def wanted_indices(
    specification: Specification, trials: TextTrials
) -> Iterator[tuple[Site, Samples]]:
    """Sites that index an output or an input, with what they should have come to."""
    kernel = trials.subject.kernel
    outputs = {tensor.name for tensor in kernel.tensors if tensor.intent == "out"}
    inputs = {tensor.name for tensor in kernel.tensors if tensor.intent == "in"}
    whole = [(site, _indexed(site)) for site in trials.sites]
    stores = [(site, base) for site, base in whole if base in outputs and _is_stored(site.node)]
    loads = [(site, base) for site, base in whole if base in inputs]
    for store, output in stores:
        seen = trials.log([store.number, *(site.number for site, _ in loads)])
        if seen is None:
            continue
        log, left = seen
        lines = log[log[:, 0] == store.number]
        example = trials.examples[0]
        meant = _meant(lines[:, 1], left[output], example.outputs[output], example.limits[output])
        yield from _samples(store, lines, meant)
        for load, name in loads:
            read = log[log[:, 0] == load.number]
            if len(read) == len(lines):  # one load for each store, in the order of the run
                needed = needs(specification, trials, name, output)
                index = lines[:, 1]
                known = (index >= 0) & (index < needed.size)
                wanted = np.where(known, needed[np.where(known, index, 0)], -1)
                yield from _samples(load, read, wanted)


def _samples(site: Site, lines: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[Site, Samples]]:
    known = wanted >= 0
    if known.sum() >= _FEWEST and (lines[known, 1] != wanted[known]).any():
        ones = np.ones((int(known.sum()), 1), np.int64)
        operands = np.hstack([ones, lines[known, 2:]])
        # Parts of the site are inside of it: names alone are written in its place.
        operands[:, 1 : 1 + PARTS] = 0
        yield site, Samples(lines[known, 1], operands, wanted[known])


def _meant(
    index: np.ndarray, left: np.ndarray, expected: np.ndarray, limits: np.ndarray
) -> np.ndarray:
    """For each store the element that has its value in what is right, -1 where it is not known."""
    size = expected.size
    inside = (index >= 0) & (index < size)
    at = np.where(inside, index, 0)
    times = np.bincount(at[inside], minlength=size)
    value = left.astype(np.float64)[at]
    order = np.argsort(expected, kind="stable")
    ranked, room = expected[order], limits[order]
    # Elements nearer to each other than rounding cannot be told apart.
    gaps = np.diff(ranked, prepend=-np.inf, append=np.inf)
    alone = np.minimum(gaps[:-1], gaps[1:]) > 4 * room
    after = np.clip(np.searchsorted(ranked, value), 0, size - 1)
    before = np.maximum(after - 1, 0)
    place = np.where(np.abs(ranked[after] - value) < np.abs(ranked[before] - value), after, before)
    known = inside & (times[at] == 1) & (np.abs(ranked[place] - value) <= room[place])
    return np.where(known & alone[place], order[place], -1)


def needs(specification: Specification, trials: TextTrials, name: str, output: str) -> np.ndarray:
    """For each element of an output the one element of an input that it depends on, or -1.

    Names are those of the broken kernel.
    """
    own = tuple(tensor.name for tensor in trials.subject.kernel.tensors)
    theirs = dict(zip(own, specification.names, strict=True))
    inputs = specification.runs["indexed", 0][0]
    given = np.asarray(inputs[theirs[name]])
    source = specification.source
    try:
        runner = Repeated(source.kernel, inputs, text=source.text, variables={})
    except XpilerError:
        return _UNKNOWN
    place = np.arange(given.size).reshape(given.shape)
    masks = [place >= 0]
    for bit in range(max(1, (given.size - 1).bit_length())):
        masks += [(place >> bit) & 1 == 1, (place >> bit) & 1 == 0]
    before = _run(runner, {}, theirs[output])
    if before is None:
        return _UNKNOWN
    changed = []
    for mask in masks:
        other = np.where(mask, given[::-1] if given.ndim == 1 else np.flip(given), given)
        after = _run(runner, {theirs[name]: other.astype(given.dtype)}, theirs[output])
        if after is None:
            return _UNKNOWN
        changed.append(after != before)
    found = np.zeros(before.size, np.int64)
    single = changed[0].copy()
    for bit, (ones, zeros) in enumerate(zip(changed[1::2], changed[2::2], strict=True)):
        single &= ones != zeros
        found |= ones.astype(np.int64) << bit
    return np.where(single, found, -1)


def _run(runner: Repeated, changed: Arrays, output: str) -> np.ndarray | None:
    seen = runner.observe(changed, [output])
    return None if seen is None else seen[output].reshape(-1)


def _indexed(site: Site) -> str:
    """The parameter or variable that a site is the whole index of, else ''."""
    above = site.node.parent
    if above is None or above.kind != "ARRAY_SUBSCRIPT_EXPR" or above.children[1] is not site.node:
        return ""
    return above.children[0].text


def _is_stored(node: Node) -> bool:
    subscript = node.parent
    above = subscript.parent if subscript is not None else None
    return above is not None and above.operator == "=" and above.children[0] is subscript
