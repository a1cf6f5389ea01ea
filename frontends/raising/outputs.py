"""Stores to parameters as outputs, in program order.

    if (c) y[i] = a; else y[i] = b     ->    y[i] = c ? a : b

What is stored again later is left out.
"""

from __future__ import annotations

from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .invert import solve
from .refusal import Unraisable
from .scatter import scattered
from .tensors import Axis, Graph, Output, Tensor, knowing, negated, simplified
from .writes import Write, tightened


def add_output(write: Write, outputs: list[Output]) -> list[Output]:
    """`write` as the (next) output of its parameter."""
    assert write.tensor is not None
    if write.scattered is not None:
        return [*outputs, scattered(write, write.scattered)]
    tensor, index = write.tensor, write.store.index
    axes = list(tensor.axes)
    if write.reduced or not tensor.plain:
        value = tensor.buffer[tuple(var for var, _ in axes) or (tir.const(0, "int32"),)]
    else:
        value = tensor.value
    loops = [loop for loop in write.loops if loop not in write.reduced]
    extents, pinned, tests = tightened(loops, tensor.guard)
    last: dict[Var, Expr] = dict(pinned)
    for loop in loops:
        if loop.var in pinned or tir.uses(index, [loop.var]) or extents[loop.var] == 1:
            continue
        if loop.parallel:
            raise Unraisable(
                f"several threads write the same element of {write.store.buffer.name!r}",
                write.store.span,
            )
        if any(tir.uses(test, [loop.var]) for test in tests):
            raise Unraisable("which iteration stores last is not understood", write.store.span)
        last[loop.var] = tir.const(extents[loop.var] - 1, "int32")
    axes = [(var, extents[var]) for var, _ in axes if var not in last]
    index = tir.substitute(index, last)
    value = tir.substitute(value, last)
    guard = tuple(tir.substitute(test, last) for test in tests)
    with knowing(axes, guard) as analyzer:
        index, value = analyzer.simplify(index), simplified(analyzer, value)
    latest = outputs[-1] if outputs else None
    if latest is not None and latest.param.same_as(write.store.buffer):
        merged = _merged(latest, index, axes, value, guard, tensor=tensor)
        if merged is not None:
            return [*outputs[:-1], merged]
    final = Tensor(tensor.buffer, tuple(axes), value, None, guard, write.store.span)
    return [*outputs, Output(write.store.buffer, index, final)]


def without_overwritten(graph: Graph) -> Graph:
    """Without the stores of which every element is stored again later."""
    kept: list[Output] = []
    for position, output in enumerate(graph.outputs):
        later = [o for o in graph.outputs[position + 1 :] if o.param.same_as(output.param)]
        if not any(_covers(other, output) for other in later):
            kept.append(output)
    return replace(graph, outputs=tuple(kept)).live()


def _covers(later: Output, earlier: Output) -> bool:
    if later.tensor.recurrence or earlier.tensor.recurrence:
        return False
    fresh = {var: tirx.Var(var.name, "int32") for var, _ in later.tensor.axes}
    unknowns = [(fresh[var], extent) for var, extent in later.tensor.axes]
    with knowing(earlier.tensor.axes, earlier.tensor.guard) as analyzer:
        moved = tir.substitute(later.index, fresh)
        tests = [tir.substitute(test, fresh) for test in later.tensor.guard]
        solution = solve(moved, earlier.index, unknowns, analyzer, tests)
        if solution is None or solution.conditions or len(solution.values) < len(unknowns):
            return False
        return all(analyzer.can_prove(tir.substitute(test, solution.values)) for test in tests)


def _merged(
    earlier: Output,
    index: Expr,
    axes: list[Axis],
    value: Expr,
    guard: tuple[Expr, ...],
    *,
    tensor: Tensor,
) -> Output | None:
    """Two stores of one iteration to one element, as in the two sides of a branch."""
    first = earlier.tensor
    if first.recurrence is not None:
        return None
    if [var for var, _ in first.axes] != [var for var, _ in axes] or not tir.same(
        earlier.index, index
    ):
        return None
    if any(load.source.same_as(first.buffer) for load in tir.loads(value)):
        return None
    shared = [test for test in first.guard if any(tir.same(test, other) for other in guard)]
    own = [test for test in guard if not any(tir.same(test, other) for other in shared)]
    rest = [test for test in first.guard if not any(tir.same(test, other) for other in shared)]
    with knowing(axes, shared) as analyzer:
        either = tirx.Or(tir.conjunction(rest), tir.conjunction(own))
        complete = not rest or not own or tir.as_const(analyzer.simplify(either)) == 1
        complete = complete or bool(analyzer.can_prove(either)) or _complements(rest, own)
    if not complete:
        return None
    if not own:
        combined = value
    elif rest and len(rest) == 1:
        combined = (
            tirx.if_then_else(rest[0], first.value, value)
            if _complements(rest, own)
            else tirx.if_then_else(tir.conjunction(own), value, first.value)
        )
    else:
        combined = tirx.if_then_else(tir.conjunction(own), value, first.value)
    final = Tensor(first.buffer, tuple(axes), combined, None, tuple(shared), tensor.span)
    return Output(earlier.param, index, final)


def _complements(left: list[Expr], right: list[Expr]) -> bool:
    a, b = tir.conjunction(left), tir.conjunction(right)
    return tir.same(negated(a), b) or tir.same(a, negated(b))
