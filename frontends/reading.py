"""A resolved kernel -> its flat program."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from xpiler_tvm.errors import LiftError, ReadError
from xpiler_tvm.kernel import Intent, Kernel, Param, Tensor
from xpiler_tvm.ranges import Encoded

from .encodings import encodings
from .partial_eval import Site, ThreadProgram, evaluate
from .program import Program
from .resolving import find_entry, intents_open, template_arguments, unit_of
from .threads import sequential


@dataclass(frozen=True, eq=False)
class Reading:
    """A kernel as read.

    `kernel` has every shape and intent, `program` is sequential. `proved` accesses lie in their
    arrays for every thread; `sites` are those for which only a run can tell.
    `thread` is the program of one thread, from which the sequential one was made.
    `value_ranges` bounds the elements of inputs that the kernel trusts as indices, and tells which
    integers are the bits of numbers (`Encoded`).
    """

    kernel: Kernel
    program: Program
    proved: int
    sites: tuple[Site, ...]
    value_ranges: dict[str, tuple[int, int]]
    thread: ThreadProgram


def read(kernel: Kernel, unknown: Collection[str] | None = None) -> Reading:
    """The flat program of a resolved kernel.

    Shapes that are `None` become the extents that the accesses need, where those are constant
    (XP1015 else); intents that are `unknown`, by default those that the host code left open,
    become what the kernel does.
    """
    unit = unit_of(kernel.source, kernel.dialect, kernel.filename)
    function = find_entry(unit, kernel)
    templates = template_arguments(unit, function, kernel.entry or "")
    thread = evaluate(unit, function, kernel, templates)
    known = _with_extents(kernel, thread)
    left_open = intents_open(unit, kernel) if unknown is None else dict.fromkeys(unknown, "unknown")
    known = _with_intents(known, thread, left_open)
    if not thread.written:
        raise LiftError(
            "XP2005",
            f"{function.name!r} writes to none of its parameters",
            span=function.span,
            hint="a kernel's result is what it stores through its pointers",
        )
    _check_intents(known, thread)
    if known != kernel and any(t.shape is None for t in kernel.tensors):
        thread = evaluate(unit, function, known, templates)
    held = encodings(thread)
    ranges = thread.value_ranges | {
        one.name: Encoded(held[one.name], one.dtype) for one in known.tensors if one.name in held
    }
    return Reading(known, sequential(thread, known), thread.proved, thread.sites, ranges, thread)


def watched(kernel: Kernel) -> tuple[Program, tuple[Site, ...]]:
    """The program of a kernel as read, which notes the first access outside its array.

    Its last parameter takes the number of the site plus one, and the index.
    """
    unit = unit_of(kernel.source, kernel.dialect, kernel.filename)
    function = find_entry(unit, kernel)
    templates = template_arguments(unit, function, kernel.entry or "")
    thread = evaluate(unit, function, kernel, templates, watched=True)
    return sequential(thread, kernel), thread.sites


def _with_extents(kernel: Kernel, thread: ThreadProgram) -> Kernel:
    params: list[Param] = []
    for param in kernel.params or ():
        if isinstance(param, Tensor) and param.shape is None:
            extent = thread.extents.get(param.name, 0)
            if extent > 1 << 30:
                raise ReadError(
                    "XP1015",
                    f"the extent of {param.name!r} does not follow from the accesses",
                    hint=f"give it: --param '{param.name}:{param.dtype}[...]', "
                    "or a shape in Tensor",
                )
            params.append(replace(param, shape=(max(extent, 1),)))
        else:
            params.append(param)
    return kernel.with_params(tuple(params))


def _with_intents(kernel: Kernel, thread: ThreadProgram, left_open: Mapping[str, str]) -> Kernel:
    params: list[Param] = []
    for param in kernel.params or ():
        if isinstance(param, Tensor) and param.name in left_open:
            reads, writes = param.name in thread.read, param.name in thread.written
            reads |= left_open[param.name] == "in"
            intent: Intent = "inout" if reads and writes else "out" if writes else "in"
            params.append(replace(param, intent=intent))
        else:
            params.append(param)
    return kernel.with_params(tuple(params))


def _check_intents(kernel: Kernel, thread: ThreadProgram) -> None:
    for tensor in kernel.tensors:
        if tensor.intent == "in" and tensor.name in thread.written:
            raise ReadError(
                "XP1007",
                f"{tensor.name!r} is given as an input, and the kernel writes to it",
                hint="give it the intent 'out' or 'inout'",
            )
        if tensor.written and tensor.name not in thread.written:
            raise LiftError(
                "XP2005",
                f"{tensor.name!r} is given as {tensor.intent!r}, and the kernel never writes to it",
            )
