"""Flat program -> SBlock TensorIR that `s_tir.Schedule` works on, one pass a file.

    integers     arithmetic modulo 2^n that never wraps becomes plain
    masks        tests of a mask's bits become comparisons
    counted      loops that count although the text does not say so
    cycles       numbers that a loop only toggles
    dead         local arrays that no result depends on are dropped
    branches     both sides of a branch store to one element
    roll         stores written out one after another become loops
    scalars      local arrays with constant indices become scalars
    guards       what guards leave no choice is put in place
    updates      consecutive updates of one element become one
    digits       thread ids as warps and lanes, rows and columns
    dataflow     which store does each read see: loops become tensors over axes
    inline       copies, staging and cheap expressions move into their readers
    words        parts of words that were put together of parts are these
    joins        choices between spellings of one expression
    tidy         recurrences lose what they do not need
    folds        recurrences that are reductions become reductions
    twins        reductions that are defined alike become one
    arguments    trees over pairs of a value and its place are two reductions
    starts       what a reduction starts from is one of its terms
    offsets      shifts of factors that are taken off again are left out
    reductions   trees, partial sums and copies of sums become one reduction
    reroll       vector components and unrolled steps become an axis
    axes         guards, block and thread ids become plain axes
    scatter      stores at indices from memory stay in order where they may meet
    outputs      what is stored again later is left out
    adjoining    outputs side by side along an axis become one
    total        intermediates have an element at each point of their axes
    runs         what a region leaves in an output is stored there by its block
    layout       flat parameters get the shape their accesses speak of
    unroll       short loops are written out, where all this was refused
    outline      what is refused then, too, stays as it is in blocks of its own
    blocks       one SBlock a tensor
    out_of_place arrays that are updated become an input and an output
    steps        what each pass made of a kernel, for people and for checks

Where that leaves nothing to schedule, the kernel becomes one opaque block over its parallel loops.
The reason is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import tvm

from xpiler_tvm import tir
from xpiler_tvm.errors import Span

from ..program import Program, statements
from .adjoining import join_adjoining
from .arguments import argument_of, find_arguments
from .axes import canonical_axes
from .blocks import module_of, opaque_module, parallel_loops
from .branches import join_branches
from .counted import count_loops
from .cycles import close_cycles
from .dataflow import to_tensors
from .dead import without_dead_stores
from .digits import split_digits
from .folds import fold_recurrences
from .guards import put_guards
from .inline import inline, keep_deep, pin, refuse_large, shrink
from .integers import unwrap
from .invert import injective
from .joins import join_choices
from .masks import read_masks
from .offsets import without_offsets
from .out_of_place import OutOfPlace, out_of_place
from .outline import is_worthwhile, outlined
from .outputs import without_overwritten
from .proving import all_different
from .reductions import gather_reductions
from .refusal import TooLarge, Unraisable
from .reroll import reroll
from .roll import roll
from .runs import store_runs
from .scalars import scalarise
from .scatter import is_ordered
from .starts import take_in_starts
from .steps import Recorder, Step, Watch, bytes_of, unwatched
from .tensors import Graph, knowing
from .tidy import tidy_recurrences
from .total import without_guards
from .twins import join_twins
from .unroll import unroll
from .updates import merge_updates
from .words import read_parts

ROUNDS = 24
MEMORY_LIMIT = 1 << 30  # bytes of intermediates
MOST_REGIONS = 16  # attempts to find out what has to stay as it is
MOST_UNROLLED = 80  # statements of a program that is understood, tried again with loops written out

ProgramPasses = tuple[tuple[str, Callable[[Program], Program]], ...]
TensorPasses = tuple[tuple[str, Callable[[Graph], Graph]], ...]

PROGRAM_PASSES: ProgramPasses = (
    ("integers", unwrap),
    ("masks", read_masks),
    ("counted", count_loops),
    ("cycles", close_cycles),
    ("dead", without_dead_stores),
    ("branches", join_branches),
    ("roll", roll),
    ("scalars", scalarise),
    ("guards", put_guards),
    ("updates", merge_updates),
    ("digits", split_digits),
)
UNROLLED_PASSES: ProgramPasses = tuple(one for one in PROGRAM_PASSES if one[1] is not roll)
_FOLDING: TensorPasses = (
    ("words", read_parts),
    ("joins", join_choices),
    ("pin", pin),
    ("shrink", shrink),
    ("tidy", tidy_recurrences),
    ("folds", fold_recurrences),
    ("twins", join_twins),
    ("arguments", find_arguments),
    ("starts", take_in_starts),
    ("offsets", without_offsets),
    ("reductions", gather_reductions),
)
COPY_PASSES: TensorPasses = (("inline", partial(inline, copies_only=True)), *_FOLDING)
TENSOR_PASSES: TensorPasses = (
    ("inline", partial(inline, copies_only=False)),
    *_FOLDING,
    ("reroll", reroll),
    ("axes", canonical_axes),
    ("outputs", without_overwritten),
    ("adjoining", join_adjoining),
    ("runs", store_runs),
)


@dataclass(frozen=True, eq=False)
class Raised:
    """`mod["main"]` in SBlock form.

    `rung` is `blocks`, `mixed` where some of them hold statements that are not understood, or
    `opaque` where one block holds them all; `reason` says why not better, `span` where.
    `assumptions` are what the form rests on beyond the flat program's.
    """

    mod: tvm.IRModule
    rung: str
    reason: str = ""
    span: Span | None = None
    assumptions: tuple[str, ...] = ()


def raise_program(program: Program, watch: Watch = unwatched) -> Raised:
    """The SBlock form of a flat program; never fails, at worst one opaque block.

    `watch` is told of each pass and of the form it made, see `steps_of`.
    """
    try:
        graph = _tensors(program, watch)
    except Unraisable as refusal:
        try:
            if isinstance(refusal, TooLarge):
                raise
            unrolled = unroll(program)
            watch("unroll", unrolled)
            try:
                graph = _tensors(unrolled, watch)
            except Unraisable:
                graph = _tensors(unrolled, watch, UNROLLED_PASSES)
        except Unraisable:
            opaque = Raised(opaque_module(program), "opaque", refusal.reason, refusal.span)
            return _mixed(program, refusal, watch) or opaque
    else:
        graph = _unrolled(program, graph, watch)
    size = bytes_of(graph)
    if size > MEMORY_LIMIT:
        reason = f"the intermediates would take {size >> 20} MiB"
        return Raised(opaque_module(program), "opaque", reason)
    mod = module_of(program, graph)
    return Raised(mod, "blocks", assumptions=_assumptions(graph))


def _mixed(program: Program, refusal: Unraisable, watch: Watch) -> Raised | None:
    """The form in which what is not understood stays as it is inside of blocks, if there is one
    that leaves more to schedule than one block for all does."""
    reason, span = refusal.reason, refusal.span
    parallel = bool(parallel_loops(program))
    try:
        program = _prepared(program, unwatched)
    except Unraisable:
        return None
    for _ in range(MOST_REGIONS):
        found = outlined(program, refusal.cause)
        if found is None or not is_worthwhile(found, parallel):
            return None
        program = found
        try:
            graph = _raised(program, unwatched)
        except Unraisable as another:
            refusal = another
            continue
        stages = (*graph.tensors, *(output.tensor for output in graph.outputs))
        opaque = all(one.recurrence is not None and one.recurrence.body for one in stages)
        if opaque or bytes_of(graph) > MEMORY_LIMIT:
            return None
        watch("outline", program)
        watch("mixed", graph)
        return Raised(module_of(program, graph), "mixed", reason, span, _assumptions(graph))
    return None


def _unrolled(program: Program, graph: Graph, watch: Watch) -> Graph:
    """The graph, or one without recurrences, and of fewer tensors, that short loops become when
    they are written out: a polynomial is an expression then."""
    if all(tensor.recurrence is None for tensor in graph.tensors):
        return graph
    unrolled = unroll(program)
    before, after = (len(list(statements(one.body))) for one in (program, unrolled))
    if after == before or after > MOST_UNROLLED:
        return graph
    try:
        other = _tensors(unrolled, unwatched, UNROLLED_PASSES)
    except Unraisable:
        return graph
    ordered = any(tensor.recurrence is not None for tensor in other.tensors)
    if ordered or len(other.tensors) >= len(graph.tensors):
        return graph
    watch("unroll", other)
    return other


def _tensors(program: Program, watch: Watch, passes: ProgramPasses = PROGRAM_PASSES) -> Graph:
    """The canonical tensors of a program. Raises `Unraisable`."""
    return _raised(_prepared(program, watch, passes), watch)


def _prepared(program: Program, watch: Watch, passes: ProgramPasses = PROGRAM_PASSES) -> Program:
    """The program as `to_tensors` takes it. Raises `Unraisable`."""
    for name, change in passes:
        program = change(program)
        watch(name, program)
    return program


def _raised(program: Program, watch: Watch) -> Graph:
    """The canonical tensors of a prepared program. Raises `Unraisable`."""
    graph = to_tensors(program)
    watch("dataflow", graph)
    graph = canonical(graph, watch)
    graph = without_guards(keep_deep(graph))
    watch("total", graph)
    _refuse_overlaps(graph)
    return graph


def _assumptions(graph: Graph) -> tuple[str, ...]:
    """What reductions take for granted of floating-point numbers."""
    tensors = (*graph.tensors, *(output.tensor for output in graph.outputs))
    ops = {t.reduction.op for t in tensors if t.reduction and "float" in t.buffer.dtype}
    found = []
    if ops & {"+", "*"}:
        found.append("floating-point sums and products may be reassociated")
    if ops & {"max", "min"}:
        found.append("maxima and minima are over numbers, at least one of them finite")
    if any("float" in one.dtype for t in tensors if (one := argument_of(t)) is not None):
        found.append("places are asked for of extrema that are not the ends of their types")
    if any(t.reduction is not None and t.reduction.rescaled for t in tensors):
        found.append("sums that are rescaled while a maximum grows are sums over the last maximum")
    return tuple(found)


def _refuse_overlaps(graph: Graph) -> None:
    """Refuses outputs of which one element may be stored twice: their order would matter."""
    for output in graph.outputs:
        axes = list(output.tensor.axes)
        if tir.has_load(output.index):
            alone = is_ordered(output)
        else:
            with knowing(axes, output.tensor.guard) as analyzer:
                alone = injective(output.index, axes, analyzer)
            alone = alone or all_different(output.index, axes, output.tensor.guard)
        if not alone:
            name = output.param.name
            raise Unraisable(f"an element of {name!r} may be stored twice", output.tensor.span)


def canonical(graph: Graph, watch: Watch = unwatched) -> Graph:
    """The passes over tensors, repeated until none changes anything.

    At first only copies are inlined and axes stay as they are, so that a tree of partial sums is
    still a tree, over the digits of its thread ids, when reductions are looked for.
    """
    for passes in (COPY_PASSES, TENSOR_PASSES):
        seen: Any = None
        for _ in range(ROUNDS):
            for name, change in passes:
                graph = change(graph)
                watch(name, graph)
            refuse_large(graph)
            state = graph.fingerprint()
            if state == seen:
                break
            seen = state
    return graph


def steps_of(program: Program) -> tuple[Step, ...]:
    """The forms of a program, each after a pass that changed it: the flat one first, the raised
    last. Where a pass refuses, the last is the opaque block."""
    recorder = Recorder(program)
    raised = raise_program(program, recorder)
    last = Step(raised.rung, raised.mod, False)
    kept = recorder.steps
    return tuple(kept) if kept[-1].script == last.script else (*kept, last)


__all__ = [
    "OutOfPlace",
    "Raised",
    "Step",
    "canonical",
    "opaque_module",
    "out_of_place",
    "raise_program",
    "steps_of",
]
