"""Kernels made ready to run without being lifted, alone or against each other.

What the text of one does not say (sizes, intents, values of scalars, the launch's arguments) is
taken from the other, parameter by parameter in the order of the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from . import frontends
from .errors import ReadError, XpilerError
from .kernel import Kernel, Param, Scalar, Tensor

Ranges = Mapping[str, tuple[int, int]]

# What a reader refuses in a text that may still be executed.
_UNREAD = ("XP1002", "XP1008", "XP1009", "XP1010")


@dataclass(frozen=True, eq=False)
class Subject:
    """A kernel with entry, parameters and launch, and the text that is compiled of it.

    `ranges` bounds the elements of inputs that it trusts as indices, where it was read.
    """

    kernel: Kernel
    text: str
    ranges: Ranges

    def renamed(self, arrays: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
        """Arrays by the names of its own tensors, given by `names` in the same order."""
        mine = (tensor.name for tensor in self.kernel.tensors)
        return {own: arrays[name] for own, name in zip(mine, names, strict=True)}


def alone(kernel: Kernel) -> Subject:
    """One kernel, all of which its text or its caller says.

    Raises `ReadError` XP1006 where parameters or launch are missing, XP1015 where an extent is, and
    what reading the text may raise.
    """
    found, ranges = _read(kernel)
    if found is None:
        found = _as_given(kernel)
    _require_complete(found)
    return Subject(found, _text(found), ranges)


def pair(first: Kernel, second: Kernel) -> tuple[Subject, Subject]:
    """Two kernels with the same parameters in the same order, under names of their own.

    Raises `ReadError` XP1007 where the parameters do not correspond: another number, an array
    against a scalar, other types of elements or sizes; and what `alone` raises.
    """
    ready: list[Kernel | None] = []
    ranges: list[Ranges] = []
    for kernel in (first, second):
        try:
            found, known = _read(kernel)
        except ReadError as error:
            if error.code not in ("XP1006", "XP1007", "XP1013", "XP1015"):
                raise
            found, known = None, {}
        ready.append(found)
        ranges.append(known)
    left, right = ready
    # The one that is known in full tells the other; with neither, each says what it can.
    if left is None and right is not None:
        left = _completed(first, right)
    elif left is None:
        left = _as_given(first)
    if right is None:
        right = _completed(second, left)
        left = _filled(left, right)
    _check_match(left, right)
    right = replace(right, params=_merged(right, left))
    for kernel in (left, right):
        _require_complete(kernel)
    pairs = zip(left.tensors, right.tensors, strict=True)
    both = dict(ranges[0]) | {a.name: ranges[1][b.name] for a, b in pairs if b.name in ranges[1]}
    return Subject(left, _text(left), both), Subject(right, _text(right), {})


def _read(kernel: Kernel) -> tuple[Kernel | None, Ranges]:
    """The kernel as its frontend reads it; `None` where there is no reader that takes it."""
    if kernel.dialect not in ("cuda", "hip", "vnni"):
        return None, {}
    try:
        resolved = frontends.resolve(kernel)
    except ReadError as error:
        if error.code in _UNREAD:
            return None, {}
        raise
    try:
        reading = frontends.read(resolved)
    except XpilerError:
        # It will be executed as it is; only extents that the accesses would tell are missing.
        return resolved, {}
    return reading.kernel, reading.value_ranges


def _as_given(kernel: Kernel) -> Kernel:
    """The kernel with what its signature and the caller say."""
    if kernel.dialect == "vnni":
        return kernel
    from .frontends.signatures import read_signature

    found = read_signature(kernel)
    params = found.params if kernel.params is None else _by_signature(kernel, found.params)
    return replace(kernel, entry=found.entry, params=params, launch=kernel.launch or found.launch)


def _by_signature(kernel: Kernel, found: tuple[Param, ...]) -> tuple[Param, ...]:
    given = {param.name: param for param in kernel.params or ()}
    unknown = [name for name in given if name not in {param.name for param in found}]
    if unknown:
        names = ", ".join(param.name for param in found)
        raise ReadError(
            "XP1007", f"{kernel.filename} has no parameter {unknown[0]!r}", hint=f"it has: {names}"
        )
    return tuple(given.get(param.name, param) for param in found)


def _completed(kernel: Kernel, other: Kernel) -> Kernel:
    """`kernel` with its own signature, and everything else from the resolved `other`."""
    theirs = other.params or ()
    if kernel.dialect == "vnni":
        params = kernel.params or theirs
        entry, launch = kernel.entry, kernel.launch
        if entry is None:
            raise ReadError(
                "XP1004",
                f"{kernel.filename}: a function in C is named by the caller",
                hint="name it with --entry or --entry-b, or entry=...",
            )
        return replace(kernel, params=params, entry=entry, launch=launch)
    from .frontends.signatures import read_signature

    known = {p.name: p.value for p in theirs if isinstance(p, Scalar) and p.value is not None}
    found = read_signature(kernel, known)
    if len(found.params) == len(theirs):
        # Its host code may call the scalars by its own names.
        known |= {
            mine.name: param.value
            for mine, param in zip(found.params, theirs, strict=True)
            if isinstance(param, Scalar) and param.value is not None
        }
        found = read_signature(kernel, known)
    params = found.params if kernel.params is None else _by_signature(kernel, found.params)
    whole = replace(kernel, entry=found.entry, params=params, launch=kernel.launch or found.launch)
    _check_match(other, whole)
    return replace(whole, params=_merged(whole, other))


def _filled(kernel: Kernel, other: Kernel) -> Kernel:
    """`kernel` with the sizes and values that only `other` has."""
    _check_match(kernel, other)
    return replace(kernel, params=_merged(kernel, other, intents=False))


def _merged(kernel: Kernel, other: Kernel, *, intents: bool = True) -> tuple[Param, ...]:
    """The parameters of `kernel`; shapes and values that it lacks, and intents, are `other`'s."""
    params: list[Param] = []
    for mine, theirs in zip(kernel.params or (), other.params or (), strict=True):
        if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
            intent = theirs.intent if intents else mine.intent
            shape = theirs.shape if mine.shape is None else mine.shape
            params.append(replace(mine, shape=shape, intent=intent))
        elif isinstance(mine, Scalar) and isinstance(theirs, Scalar):
            params.append(replace(mine, value=theirs.value if mine.value is None else mine.value))
    return tuple(params)


def _check_match(first: Kernel, second: Kernel) -> None:
    """Raises `ReadError` XP1007 where two lists of parameters do not correspond."""
    mine, theirs = first.params or (), second.params or ()
    if len(mine) != len(theirs):
        lists = (", ".join(param.name for param in params) for params in (mine, theirs))
        raise ReadError(
            "XP1007",
            f"{first.entry!r} takes {len(mine)} parameters and {second.entry!r} {len(theirs)}",
            hint="they are matched in order: ({}) and ({})".format(*lists),
        )
    for position, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        what = f"parameter {position + 1}: {a.name!r} of {first.entry!r}"
        if isinstance(a, Tensor) != isinstance(b, Tensor):
            mine_is, is_other = (
                "an array" if isinstance(one, Tensor) else "a scalar" for one in (a, b)
            )
            raise ReadError("XP1007", f"{what} is {mine_is}, {b.name!r} is {is_other}")
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if a.dtype != b.dtype:
                raise ReadError("XP1007", f"{what} holds {a.dtype}, {b.name!r} {b.dtype}")
            if a.shape is not None and b.shape is not None and a.size != b.size:
                raise ReadError(
                    "XP1007",
                    f"{what} has {a.size} elements, {b.name!r} has {b.size}",
                    hint="give both the same sizes with --arg, --arg-b or --param",
                )


def _require_complete(kernel: Kernel) -> None:
    """Raises `ReadError` for what nobody has said."""
    for tensor in kernel.tensors:
        if tensor.shape is None:
            raise ReadError(
                "XP1015",
                f"nothing says how large {tensor.name!r} of {kernel.entry!r} is",
                hint=f"give it: --param '{tensor.name}:{tensor.dtype}[512]', in the order of the "
                "signature; ':out' marks an output",
            )
    for scalar in kernel.scalars:
        if scalar.value is None:
            raise ReadError(
                "XP1006",
                f"nothing gives {scalar.name!r} of {kernel.entry!r} a value",
                hint=f"give it: --arg {scalar.name}=512",
            )
    if kernel.launch is None and kernel.dialect != "vnni":
        how = "--tasks 4 --kind block" if kernel.dialect == "bang" else "--grid 4 --block 128"
        raise ReadError(
            "XP1006",
            f"nothing says how {kernel.entry!r} of {kernel.filename} is launched",
            hint=f"give it: {how}; of a second file, the same options with -b",
        )


def _text(kernel: Kernel) -> str:
    """What is compiled: the text without its host code."""
    from .frontends.signatures import device_text

    try:
        return frontends.device_text(kernel)
    except ReadError as error:
        if error.code not in _UNREAD:
            raise
        return device_text(kernel)
