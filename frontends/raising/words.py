"""Parts of words that were put together of parts: the parts themselves.

u[k] = a[k, 0] | a[k, 1] << 8 | a[k, 2] << 16 | a[k, 3] << 24
(u[i] >> 8) & 255                                                ->    a[i, 1]
"""

from __future__ import annotations

from collections.abc import Mapping

import tvm
import tvm_ffi
from tvm import tirx
from tvm.tirx import BitwiseAnd, BitwiseOr, FloorDiv, FloorMod, LShift, RShift

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .tensors import Graph, Tensor

_NARROW = {"uint8": 8, "uint16": 16}
_WORDS = ("int32", "uint32", "int64", "uint64")
"""Types whose conversions keep the lowest 32 bits."""


def read_parts(graph: Graph) -> Graph:
    """The graph with the parts of words for what is taken of them."""
    words: dict[Buffer, tuple[Tensor, tuple[Expr, ...]]] = {}
    for tensor in graph.tensors:
        if tensor.plain and not tensor.guard and not tensor.kept:
            parts = _parts(tensor.value)
            if parts:
                words[tensor.buffer] = (tensor, parts)

    kinds = (BitwiseAnd, FloorMod, FloorDiv)

    def change(expr: Expr, _: Tensor) -> Expr:
        found: list[Expr] = []
        tvm_ffi.structural_walk(expr, [(kind, found.append) for kind in kinds])
        if not any(map(tir.has_load, found)):
            return expr
        read = tvm_ffi.structural_map(expr, (kinds, lambda node: _part(node, words)), order="post")
        if read.same_as(expr):
            return expr
        read = tvm_ffi.structural_map(read, (tirx.Cast, _narrowed), order="post")
        return tvm_ffi.structural_map(read, (tvm.ir.Call, _seen_once), order="post")

    return graph.rewrite(change)


def _narrowed(cast: tirx.Cast) -> Expr:
    """What is converted to a wider type and back is what it is."""
    inner, dtype = cast.value, tir.dtype_of(cast)
    wide = isinstance(inner, tirx.Cast) and tir.dtype_of(inner) in _WORDS
    if wide and dtype in _NARROW and tir.dtype_of(inner.value) == dtype:
        return inner.value
    return cast


def _bits(expr: Expr) -> Expr:
    """What the lowest 32 bits of an integer are the bits of."""
    while True:
        if isinstance(expr, tirx.Cast) and tir.dtype_of(expr.value) in _WORDS:
            if tir.dtype_of(expr) not in _WORDS:
                return expr
            expr = expr.value
        elif tir.is_reinterpreted(expr):
            if tir.dtype_of(expr.args[0]) not in _WORDS:
                return expr
            expr = expr.args[0]
        else:
            return expr


def _seen_once(call: Expr) -> Expr:
    """Bits that are seen as another type and back are what they are."""
    if tir.is_reinterpreted(call) and tir.is_reinterpreted(call.args[0]):
        inner = call.args[0].args[0]
        if tir.dtype_of(inner) == tir.dtype_of(call):
            return inner
    return call


def _parts(expr: Expr) -> tuple[Expr, ...]:
    """The unsigned numbers that a word of 32 bits is put together of, the lowest first."""
    if tir.dtype_of(expr) not in ("int32", "uint32"):
        return ()
    found: dict[int, Expr] = {}
    for leaf in _alternatives(_bits(expr)):
        shift = 0
        part = leaf
        if isinstance(leaf, LShift | tirx.Mul):
            known = tir.as_const(leaf.b)
            count = _count(leaf.b) if isinstance(leaf, LShift) else _power(known or 0)
            if count is None:
                return ()
            shift, part = count, _bits(leaf.a)
        if not isinstance(part, tirx.Cast) or tir.dtype_of(part.value) not in _NARROW:
            return ()
        if shift in found:
            return ()
        found[shift] = part.value
    widths = {_NARROW[tir.dtype_of(part)] for part in found.values()}
    if len(widths) != 1:
        return ()
    (width,) = widths
    complete = sorted(found) == list(range(0, 32, width))
    return tuple(found[shift] for shift in sorted(found)) if complete else ()


def _alternatives(expr: Expr) -> list[Expr]:
    if isinstance(expr, BitwiseOr):
        return _alternatives(expr.a) + _alternatives(expr.b)
    return [expr]


def _count(expr: Expr) -> int | None:
    return tir.as_const(expr.value if isinstance(expr, tirx.Cast) else expr)


def _part(node: Expr, words: Mapping[Buffer, tuple[Tensor, tuple[Expr, ...]]]) -> Expr:
    """`word >> 8 & 255`, or as a quotient and a remainder, as what the word has there."""
    taken = _taken(node)
    if taken is None:
        return node
    word, shift, width = taken
    if isinstance(word, tirx.Cast) and tir.dtype_of(word.value) not in _WORDS:
        return node
    parts, places = _parts_at(_bits(word), words)
    if not parts or 32 // len(parts) != width or shift % width or shift >= 32:
        return node
    return tirx.Cast(tir.dtype_of(node), tir.substitute(parts[shift // width], places))


def _taken(node: Expr) -> tuple[Expr, int, int] | None:
    """A word, and which of its bits an expression takes: the lowest, and how many."""
    known = tir.as_const(node.b)
    if known is None or known <= 0:
        return None
    if isinstance(node, FloorDiv):
        shift = _power(known)
        whole = shift is not None and tir.dtype_of(node) == "uint32"
        return (node.a, shift, 32 - shift) if whole and shift is not None else None
    width = _power(known + 1 if isinstance(node, BitwiseAnd) else known)
    if width is None:
        return None
    above = node.a
    if isinstance(above, RShift):
        shift = _count(above.b)
    elif isinstance(above, FloorDiv):
        shift = _power(tir.as_const(above.b) or 0)
    else:
        return above, 0, width
    return None if shift is None else (above.a, shift, width)


def _power(number: int) -> int | None:
    """Of two."""
    return number.bit_length() - 1 if number > 0 and number & (number - 1) == 0 else None


def _parts_at(
    word: Expr, words: Mapping[Buffer, tuple[Tensor, tuple[Expr, ...]]]
) -> tuple[tuple[Expr, ...], dict[tir.Var, Expr]]:
    """The parts of a word that is read or put together here, and what their axes are."""
    if isinstance(word, tvm.ir.TensorLoad):
        if word.source not in words:
            return (), {}
        tensor, parts = words[word.source]
        axes = [var for var, _ in tensor.axes]
        return parts, dict(zip(axes, word.indices, strict=True))
    return _parts(word), {}
