"""A raised kernel as a Relax function, and the operators it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import relax, tirx

from .attention import divided_after, with_attention
from .building import NoTerm, Piece, pieces_of
from .contraction import matmul
from .convolution import convolution
from .elementwise import elementwise
from .emitter import Emitter, NoEquivalent, Rule, Value, digits_of
from .movement import joined, name_movement
from .normal import normalised
from .normalisations import batch_norm, normalisation
from .operator import Operator
from .pooling import pooling
from .reductions import argument, cumulative, mean, reduction
from .scatter import scattered
from .softmax import softmax

RULES: tuple[Rule, ...] = (
    softmax,
    normalisation,
    divided_after,
    batch_norm,
    joined,
    pooling,
    mean,
    convolution,
    matmul,
    argument,
    cumulative,
    reduction,
    elementwise,
)
"""The families in the order in which they are asked: what is made of others before these."""


@dataclass(frozen=True, eq=False)
class Equivalent:
    """A kernel in TVM's own operators.

    Attributes
    ----------
    operators : in the order in which they run, as a graph by the names of their operands.
    mod : `main`, a Relax function from the tensors the kernel reads to those it writes.
    inputs, outputs : names of the kernel's tensors, in the order of `main`'s.
    reason : why there is none, where `mod` is `None`.
    """

    operators: tuple[Operator, ...] = ()
    mod: tvm.IRModule | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    reason: str = ""


def equivalent_of(mod: tvm.IRModule) -> Equivalent:
    """What a raised module computes, in operators; with a reason where that is not understood."""
    func = mod["main"]
    try:
        pieces = normalised(pieces_of(func))
        return _emitted(func, pieces)
    except (NoTerm, NoEquivalent) as refusal:
        return Equivalent(reason=str(refusal))


def _emitted(func: tirx.PrimFunc, pieces: Sequence[Piece]) -> Equivalent:
    buffers = {str(param.name): param for param in func.params if tirx.is_buffer_var(param)}
    outputs = tuple(dict.fromkeys(piece.name for piece in pieces))
    read = _read_names(pieces)
    inputs = tuple(name for name in buffers if name in read)
    builder = relax.BlockBuilder()
    params = {name: _tensor(name, buffers[name]) for name in inputs}
    with builder.function("main", list(params.values())):
        with builder.dataflow():
            emitter = Emitter(builder, params, RULES)
            values, reason = [], ""
            for name in outputs:
                try:
                    whole = _output(emitter, [piece for piece in pieces if piece.name == name])
                except (NoEquivalent, TypeError, ValueError, tvm.error.InternalError) as refusal:
                    # TVM says so where an operator does not take these types or shapes. The
                    # function is ended all the same: it complains of one left half made.
                    whole, reason = emitter.op(relax.const(0, "int32")), _first_line(refusal)
                shape = [] if reason else [int(extent) for extent in buffers[name].shape]
                values.append(builder.emit_output(relax.op.reshape(whole, shape)))
                emitter.operators[:] = _renamed(emitter.operators, emitter.name_of(whole), name)
                if reason:
                    break
            result = values[0] if len(values) == 1 else relax.Tuple(values)
        builder.emit_func_output(result)
    if reason:
        return Equivalent(reason=reason)
    operators = with_attention(_needed(emitter.operators, outputs))
    return Equivalent(tuple(operators), builder.get(), inputs, outputs)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _tensor(name: str, buffer: Any) -> relax.Var:
    shape = [int(extent) for extent in buffer.shape]
    return relax.Var(name, relax.TensorType(shape, str(buffer.dtype)))


def _read_names(pieces: Sequence[Piece]) -> set[str]:
    from .normal import reads_of

    read = {read.name for piece in pieces for read in reads_of(piece)}
    return read | {piece.name for piece in pieces if piece.ordered}


def _output(emitter: Emitter, pieces: Sequence[Piece]) -> Value:
    """All elements of an output, of its only piece or of pieces one behind the other."""
    parts: list[tuple[_Part, Value]] = []
    if len(pieces) == 1 and pieces[0].ordered:
        return scattered(emitter, pieces[0])
    for piece in pieces:
        digits = digits_of(piece.address, piece.size)
        if digits is None or piece.guard is not None or piece.ordered:
            raise NoEquivalent(f"{piece.name!r} is written in part")
        order = tuple(axis for axis in digits[0] if axis is not None)
        value = emitter.over(piece.value, order)
        name_movement(emitter, piece.value, order, value)
        extents = [1 if axis is None else axis.extent for axis in digits[0]]
        parts.append((_Part(digits[1], digits[2], extents), emitter.reshaped(value, extents)))
    first = parts[0][0]
    if len(parts) == 1 and first.extents == first.shape:
        return parts[0][1]
    along = _concatenated([part for part, _ in parts])
    if along is None:
        raise NoEquivalent(f"{pieces[0].name!r} is written in part")
    parts.sort(key=lambda each: each[0].begins[along])
    inputs = [_origin(emitter, value) for _, value in parts]
    value = emitter.op(relax.op.concat([value for _, value in parts], axis=along))
    emitter.record("concat", inputs, value, axis=along)
    return value


@dataclass(frozen=True)
class _Part:
    """Where a piece lies in an output of `shape`."""

    shape: list[int]
    begins: list[int]
    extents: list[int]


def _origin(emitter: Emitter, value: Value) -> Value | str:
    """The parameter that a part is a plain copy or slice of, else the part."""
    made = [one for one in emitter.operators if one.output == emitter.name_of(value)]
    if made and made[-1].name in ("copy", "slice"):
        return made[-1].inputs[0]
    return value


def _concatenated(parts: Sequence[_Part]) -> int | None:
    """The dimension along which parts lie one behind the other, filling all of it."""
    shape = parts[0].shape
    if any(part.shape != shape for part in parts):
        return None
    places = range(len(shape))
    cut = [place for place in places if any(part.extents[place] != shape[place] for part in parts)]
    if len(cut) != 1:
        return None
    (along,) = cut
    reached = 0
    for part in sorted(parts, key=lambda part: part.begins[along]):
        if part.begins[along] != reached:
            return None
        reached += part.extents[along]
    return along if reached == shape[along] else None


def _renamed(operators: Sequence[Operator], old: str, new: str) -> list[Operator]:
    if not old or not any(one.output == old for one in operators):
        return list(operators)
    return [
        replace(
            one,
            inputs=tuple(new if name == old else name for name in one.inputs),
            output=new if one.output == old else one.output,
        )
        for one in operators
    ]


def _needed(operators: Sequence[Operator], outputs: Sequence[str]) -> list[Operator]:
    """The operators that the outputs depend on."""
    needed = set(outputs)
    kept = []
    for one in reversed(operators):
        if one.output in needed:
            needed |= set(one.inputs)
            kept.append(one)
    return kept[::-1]
