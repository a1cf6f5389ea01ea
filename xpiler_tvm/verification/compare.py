"""Two sets of outputs to one `Check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xpiler_tvm.emulation import is_unwritten
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel, Tensor

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
    inputs: Mapping[str, np.ndarray] | None = None,
    bounds: Mapping[str, np.ndarray] | None = None,
    seconds: float = 0.0,
) -> Check:
    """Whether `actual` is what `expected` is, within the bounds of `tolerances`.

    Every tensor that the kernel writes is compared; arrays may differ in shape but not in size
    and dtype, except that floating-point numbers may be expected in double precision. A NaN or an
    infinity is right only where the reference has it, and an element that was left unwritten only
    where the reference left it too.

    Parameters
    ----------
    name : of the `Check`.
    expected, actual : arrays by tensor name; those of tensors that are only read are ignored.
    inputs : what both were computed from; a wrong value that one of them has is told by its place.
    bounds : the largest error by tensor and element, as `reference.Limits` has them; where a tensor
        is left out, the rule of `tolerances.bound` with `likely_terms`.
    seconds : CPU time to note in the check.
    """
    worst = 0.0
    details: list[str] = []
    for tensor in kernel.tensors:
        if not tensor.written:
            continue
        reference = np.asarray(expected[tensor.name])
        result = np.asarray(actual[tensor.name])
        if not _comparable(reference, result):
            what = f"{tensor.name!r} is {result.shape} of {result.dtype}"
            wanted = f"{reference.shape} of {reference.dtype}"
            return Check(name, "refuted", f"{what}, expected {wanted}", None, seconds)
        result = result.reshape(reference.shape)
        reference, result = np.atleast_1d(reference), np.atleast_1d(result)
        limit = _limit(reference, tensor, kernel, (bounds or {}).get(tensor.name))
        found = _differences(reference, result, limit)
        if found.wrong.any():
            detail = _first(tensor, reference, result, found)
            detail += _origin(result, found, inputs or {}, kernel)
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


def worst_of(checks: Sequence[Check]) -> Check:
    """Of several checks of the same thing the one that counts: a refutation, a doubt, the largest
    error."""
    order = {"refuted": 0, "unsupported": 1, "unknown": 2}
    return min(checks, key=lambda one: (order.get(one.verdict, 3), -(one.worst or 0.0)))


def _comparable(reference: np.ndarray, result: np.ndarray) -> bool:
    wider = is_float(result.dtype) and reference.dtype == np.float64
    return reference.size == result.size and (wider or reference.dtype == result.dtype)


@dataclass(frozen=True)
class _Found:
    """Wrong elements, of these the unwritten; errors over their bounds, and the largest."""

    wrong: np.ndarray
    worst: float
    untouched: np.ndarray
    ratio: np.ndarray


def _limit(
    reference: np.ndarray, tensor: Tensor, kernel: Kernel, given: np.ndarray | None
) -> np.ndarray:
    """The permitted error of each element; integers have none."""
    if not is_float(reference.dtype):
        return np.zeros(reference.shape)
    if given is not None:
        return given.reshape(reference.shape)
    return bound(reference, tensor.dtype, likely_terms(kernel))


def _differences(reference: np.ndarray, result: np.ndarray, limit: np.ndarray) -> _Found:
    mine, theirs = is_unwritten(reference), is_unwritten(result)
    both = mine & theirs
    untouched = theirs & ~mine
    if not is_float(reference.dtype):
        # A sentinel that is a legitimate integer is judged as one: equal or not.
        wrong = reference != result
        worst = np.inf if wrong.any() else 0.0
        return _Found(wrong, worst, untouched & wrong, wrong.astype(np.float64))
    exact, value = reference.astype(np.float64), result.astype(np.float64)
    plain = np.isfinite(exact) & np.isfinite(value)
    with np.errstate(invalid="ignore"):
        error = np.where(plain, np.abs(exact - value), 0.0)
    ratio = error / limit
    same = (np.isnan(exact) & np.isnan(value)) | (exact == value) | plain
    wrong = (~same | (mine != theirs) | (ratio > 1)) & ~both
    beyond = (~same | (mine != theirs)) & ~both
    worst = np.inf if beyond.any() else float(ratio.max(initial=0.0))
    return _Found(wrong, worst, untouched, np.where(beyond, np.inf, ratio))


def _index(found: _Found) -> tuple[int, ...]:
    """The worst element: one that is wrong altogether, else the first of the largest error."""
    errors = np.where(found.wrong, found.ratio, -1.0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(errors)), errors.shape))


def _place(tensor: Tensor, index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """`y[1, 2]`, in the tensor's own shape, whatever the arrays' is."""
    own = tensor.shape or shape
    if own != shape:
        index = tuple(int(i) for i in np.unravel_index(np.ravel_multi_index(index, shape), own))
    return f"{tensor.name}[{', '.join(map(str, index))}]"


def _first(tensor: Tensor, reference: np.ndarray, result: np.ndarray, found: _Found) -> str:
    """The counterexample, for people."""
    name, index = tensor.name, _index(found)
    place = _place(tensor, index, reference.shape)
    total = f"{int(found.wrong.sum())} of {reference.size} elements of {name!r} differ"
    if found.untouched[index]:
        missing = int(found.untouched.sum())
        total += f", {missing} of them were never written"
        return f"{total}; first {place}: expected {reference[index]}, got nothing"
    which = "worst" if is_float(reference.dtype) else "first"
    return f"{total}; {which} {place}: expected {reference[index]}, got {result[index]}"


def _origin(
    result: np.ndarray, found: _Found, inputs: Mapping[str, np.ndarray], kernel: Kernel
) -> str:
    """Which element of an input the wrong value is, where there is exactly one like it."""
    value = result[_index(found)]
    places = []
    for tensor in kernel.tensors:
        if tensor.intent == "out" or tensor.name not in inputs:
            continue
        given = np.asarray(inputs[tensor.name])
        if given.dtype == result.dtype:
            same = np.argwhere(np.atleast_1d(given == value))
            places += [(tensor, tuple(int(i) for i in one), given.shape) for one in same[:2]]
    if len(places) != 1:
        return ""
    return f", which is {_place(*places[0])}"
