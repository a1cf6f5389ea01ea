"""Two sets of outputs to one `Check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xpiler_tvm.emulation import is_unwritten
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel

from .tolerances import bound, likely_terms


def unwritten_outputs(kernel: Kernel, outputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many elements of each `out` tensor still hold what it started with; zeros left out.

    A byte may have that value by right, so a tensor of bytes counts as a whole or not at all.
    """
    counts = {}
    for tensor in kernel.tensors:
        if tensor.intent != "out":
            continue
        left = is_unwritten(outputs[tensor.name])
        count = int(left.sum())
        if count and (outputs[tensor.name].itemsize > 1 or count == left.size):
            counts[tensor.name] = count
    return counts


def require_written(kernel: Kernel, outputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The counts of `unwritten_outputs`, where no output is missing as a whole.

    An output written in part is allowed: a kernel may leave borders alone.

    Raises `CheckError` XP5003 for an `out` tensor of which no element was written.
    """
    counts = unwritten_outputs(kernel, outputs)
    for name, count in counts.items():
        if count == outputs[name].size:
            raise CheckError(
                "XP5003",
                f"the kernel never writes its output {name!r}",
                hint="the launch may not cover it, or its intent is not 'out'",
            )
    return counts


def compare(
    name: str,
    expected: Mapping[str, np.ndarray],
    actual: Mapping[str, np.ndarray],
    kernel: Kernel,
    *,
    terms: int | None = None,
    scales: Mapping[str, np.ndarray | float] | None = None,
    seconds: float = 0.0,
) -> Check:
    """Whether `actual` is what `expected` is, within the bounds of `tolerances`.

    Every tensor that the kernel writes is compared; arrays may differ in shape but not in size
    and dtype. A NaN or an infinity is right only where the reference has it, and an element that
    was left unwritten only where the reference left it too.

    Parameters
    ----------
    name : of the `Check`.
    expected, actual : arrays by tensor name; those of tensors that are only read are ignored.
    terms : terms accumulated into an output; guessed by `likely_terms` where `None`.
    scales : by tensor name, sum of |terms| of each element; see `tolerances.bound`.
    seconds : CPU time to note in the check.
    """
    count = likely_terms(kernel) if terms is None else terms
    worst = 0.0
    details: list[str] = []
    for tensor in kernel.tensors:
        if not tensor.written:
            continue
        reference = np.asarray(expected[tensor.name])
        result = np.asarray(actual[tensor.name])
        if reference.dtype != result.dtype or reference.size != result.size:
            what = f"{tensor.name!r} is {result.shape} of {result.dtype}"
            wanted = f"{reference.shape} of {reference.dtype}"
            return Check(name, "refuted", f"{what}, expected {wanted}", None, seconds)
        result = result.reshape(reference.shape)
        reference, result = np.atleast_1d(reference), np.atleast_1d(result)
        scale = (scales or {}).get(tensor.name)
        found = _differences(reference, result, _limit(reference, tensor.dtype, count, scale))
        if found.wrong.any():
            detail = _first(tensor.name, reference, result, found)
            return Check(name, "refuted", detail, found.worst, seconds)
        if tensor.intent == "out" and is_unwritten(reference).all():
            return Check(name, "unknown", f"neither program writes {tensor.name!r}", None, seconds)
        if is_float(reference.dtype) and np.isnan(reference.astype(np.float64)).all():
            detail = f"every element of {tensor.name!r} is NaN, which proves nothing"
            return Check(name, "unknown", detail, None, seconds)
        worst = max(worst, found.worst)
        how = f"worst error/bound {found.worst:.2g}" if is_float(reference.dtype) else "equal"
        details.append(f"{tensor.name}: {how}")
    return Check(name, "tested", "; ".join(details), worst, seconds)


@dataclass(frozen=True)
class _Found:
    """Elements that are wrong, and of these the unwritten; the largest error over its bound."""

    wrong: np.ndarray
    worst: float
    untouched: np.ndarray


def _limit(
    reference: np.ndarray, dtype: str, terms: int, scale: np.ndarray | float | None
) -> np.ndarray:
    """The permitted error of each element; integers have none."""
    if not is_float(reference.dtype):
        return np.zeros(reference.shape)
    return np.broadcast_to(bound(reference, dtype, terms, scale), reference.shape)


def _differences(reference: np.ndarray, result: np.ndarray, limit: np.ndarray) -> _Found:
    mine, theirs = is_unwritten(reference), is_unwritten(result)
    both = mine & theirs
    untouched = theirs & ~mine
    if not is_float(reference.dtype):
        # A sentinel that is a legitimate integer is judged as one: equal or not.
        wrong = reference != result
        return _Found(wrong, np.inf if wrong.any() else 0.0, untouched & wrong)
    exact, value = reference.astype(np.float64), result.astype(np.float64)
    plain = np.isfinite(exact) & np.isfinite(value)
    with np.errstate(invalid="ignore"):
        error = np.where(plain, np.abs(exact - value), 0.0)
    ratio = error / limit
    same = (np.isnan(exact) & np.isnan(value)) | (exact == value) | plain
    wrong = (~same | (mine != theirs) | (ratio > 1)) & ~both
    beyond = (~same | (mine != theirs)) & ~both
    worst = np.inf if beyond.any() else float(ratio.max(initial=0.0))
    return _Found(wrong, worst, untouched)


def _first(name: str, reference: np.ndarray, result: np.ndarray, found: _Found) -> str:
    """The counterexample, for people."""
    index = tuple(int(i) for i in np.argwhere(found.wrong)[0])
    place = f"{name}[{', '.join(map(str, index))}]"
    total = f"{int(found.wrong.sum())} of {reference.size} elements of {name!r} differ"
    if found.untouched[index]:
        missing = int(found.untouched.sum())
        total += f", {missing} of them were never written"
        return f"{total}; first {place}: expected {reference[index]}, got nothing"
    return f"{total}; first {place}: expected {reference[index]}, got {result[index]}"
