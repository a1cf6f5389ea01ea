"""Tests of a mask's bits become tests of what the mask was made from.

((1u << left) - 1) >> lane & 1 != 0             ->    lane < left
(left >= 16 ? 0xFFFF : (1u << left) - 1) ...    ->    lane < left,   where lane < 16
(m & 1 << lane) != 0, m = 0x00F0                ->    4 <= lane and lane < 8
"""

from __future__ import annotations

import operator
from contextlib import ExitStack
from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import BitwiseAnd, BitwiseNot, BitwiseOr, BitwiseXor, LShift, RShift

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..program import Program
from .contexts import map_expressions
from .integers import low_part
from .tensors import assume, negated

_BITS = {"uint8": 8, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64}
_COMPARED = {
    tirx.NE: operator.ne,
    tirx.EQ: operator.eq,
    tirx.LT: operator.lt,
    tirx.LE: operator.le,
    tirx.GT: operator.gt,
    tirx.GE: operator.ge,
}
MOST_TESTS = 6  # inside each other: the work doubles with each of them
MOST_RUNS = 4  # of ones in a constant: each becomes two comparisons


def read_masks(program: Program) -> Program:
    """The program without tests of bits, where it is known which bits are set."""
    return map_expressions(program, plain_tests)


def plain_tests(expr: Expr, analyzer: Any) -> Expr:
    """`expr` with such tests as comparisons."""
    shifts: list[Expr] = []
    tvm_ffi.structural_walk(expr, [((LShift, RShift), shifts.append)], order="pre")
    if not shifts or tir.nested_tests(expr) > MOST_TESTS:
        return expr
    # Choices first: what they choose between is known to be chosen.
    expr = tvm_ffi.structural_map(
        expr, (tirx.Select, lambda node: _choice(node, analyzer)), order="pre"
    )
    return tvm_ffi.structural_map(
        expr, (tuple(_COMPARED), lambda node: _comparison(node, analyzer)), order="pre"
    )


def _choice(node: Expr, analyzer: Any) -> Expr:
    """A choice between truths, with the tests of bits in it read; another one as it is."""
    if tir.dtype_of(node) != "bool":
        return node
    test = plain_tests(node.condition, analyzer)
    sides = []
    for holds, side in ((test, node.true_value), (negated(test), node.false_value)):
        with ExitStack() as stack:
            assume(stack, holds, analyzer, ())
            sides.append(plain_tests(side, analyzer))
    then, other = sides
    return _chosen(test, then, other, analyzer)


def _chosen(test: Expr, then: Expr, other: Expr, analyzer: Any) -> Expr:
    """`test ? then : other` of truths: the one that serves on both sides, where there is one."""
    for whole, side, holds in ((other, then, test), (then, other, negated(test))):
        known = tir.as_const(side)
        if known is None:
            continue
        with ExitStack() as stack:
            assume(stack, holds, analyzer, ())
            if analyzer.can_prove(whole if known else negated(whole)):
                return whole
    return tirx.Select(test, then, other)


def _comparison(node: Expr, analyzer: Any) -> Expr:
    """A bit of a word held against a number, without the word where it is known which of its bits
    are set."""
    for side, other in ((node.a, node.b), (node.b, node.a)):
        against, picked = tir.as_const(other), _picked(side)
        if against is None or picked is None:
            continue
        word, place, value = picked
        is_set = _says_set(node, against, value, side is node.a)
        small = _small(place, analyzer)
        if is_set is None or small is None or not _has(word, small, analyzer):
            continue
        found = _bit(word, small, analyzer)
        if found is not None:
            return analyzer.simplify(found if is_set else negated(found))
    return node


def _says_set(node: Expr, against: int, value: int | None, bit_first: bool) -> bool | None:
    """Whether a comparison of 0, or `value`, with `against` holds where it is `value`, and only
    there; of a value that is not known, only that it is not 0."""
    if isinstance(node, (tirx.NE, tirx.EQ)):
        if against not in (0, value):
            return None
        return isinstance(node, tirx.NE) == (against == 0)
    if value is None or value < 0:
        return None
    compare = _COMPARED[type(node)]
    holds = [compare(bit, against) if bit_first else compare(against, bit) for bit in (0, value)]
    return holds[1] if holds[0] != holds[1] else None


def _picked(expr: Expr) -> tuple[Expr, Expr, int | None] | None:
    """`(word, place, value)` of an expression that is 0 or, where a bit of a word is set, `value`
    (`None`: not known, but not 0)."""
    while isinstance(expr, tirx.Cast) and _widens(expr):
        expr = expr.value
    if isinstance(expr, BitwiseAnd):
        for word, one in ((expr.a, expr.b), (expr.b, expr.a)):
            if isinstance(one, LShift) and tir.as_const(one.a) == 1:
                return word, one.b, None
            known = tir.as_const(one)
            if known == 1 and isinstance(word, RShift):
                return word.a, word.b, 1
            if known is not None and known > 0 and not known & (known - 1):
                return word, tir.const(known.bit_length() - 1, "int32"), known
        return None
    # TVM's spelling of `word & 1`; its remainder of a negative number is no bit.
    is_rest = isinstance(expr, (tirx.FloorMod, tirx.Mod)) and tir.as_const(expr.b) == 2
    if is_rest and tir.dtype_of(expr).startswith("u"):
        word = expr.a
        if isinstance(word, RShift):
            return word.a, word.b, 1
        return word, tir.const(0, "int32"), 1
    return None


def _widens(cast: Expr) -> bool:
    inner, outer = (_BITS.get(tir.dtype_of(each), 0) for each in (cast.value, cast))
    return bool(inner) and outer >= inner


def _small(expr: Expr, analyzer: Any) -> Expr | None:
    """The number of a bit, or how many, as an int32; `None` where it may be negative or large."""
    low, high = tir.bounds(analyzer, expr)
    while isinstance(expr, tirx.Cast) and tir.is_int(expr.value):
        inner = tir.bounds(analyzer, expr.value)
        if inner[0] < 0 or inner[1] > 64:
            break
        expr, (low, high) = expr.value, inner
    if low < 0 or high > 64:
        return None
    return expr if tir.dtype_of(expr) == "int32" else tirx.Cast("int32", expr)


def _has(word: Expr, place: Expr, analyzer: Any) -> bool:
    low, high = tir.bounds(analyzer, place)
    return 0 <= low <= high < _BITS.get(tir.dtype_of(word), 0)


def _bit(word: Expr, place: Expr, analyzer: Any) -> Expr | None:
    """Whether bit `place` of a word is set; `None` where that is not known.

    The caller has seen that the word has such a bit.
    """
    bits = _BITS.get(tir.dtype_of(word), 0)
    known = tir.as_const(word)
    if known is not None:
        return _constant_bit(known % (1 << bits), place, analyzer)
    if isinstance(word, tirx.Cast):
        inner = _BITS.get(tir.dtype_of(word.value), 0)
        if inner < bits and tir.bounds(analyzer, place)[1] >= inner:
            return None
        return _bit(word.value, place, analyzer)
    if isinstance(word, tirx.Select):
        test, sides = plain_tests(word.condition, analyzer), []
        for holds, side in ((test, word.true_value), (negated(test), word.false_value)):
            with ExitStack() as stack:
                assume(stack, holds, analyzer, ())
                sides.append(_bit(side, place, analyzer))
        then, other = sides
        return None if then is None or other is None else _chosen(test, then, other, analyzer)
    if isinstance(word, BitwiseNot):
        same = _bit(word.a, place, analyzer)
        return None if same is None else negated(same)
    if isinstance(word, (LShift, RShift)):
        return _shifted_bit(word, place, analyzer)
    if isinstance(word, (tirx.Sub, tirx.Add)):
        return _low_bit(word, place, bits, analyzer)
    if isinstance(word, (BitwiseAnd, BitwiseOr, BitwiseXor)):
        left, right = (_bit(side, place, analyzer) for side in (word.a, word.b))
        if left is None or right is None:
            return None
        if isinstance(word, BitwiseXor):
            return tirx.NE(left, right)
        return (tirx.And if isinstance(word, BitwiseAnd) else tirx.Or)(left, right)
    return None


def _constant_bit(word: int, place: Expr, analyzer: Any) -> Expr | None:
    runs: list[tuple[int, int]] = []
    at = 0
    while word >> at:
        if word >> at & 1:
            end = at
            while word >> end & 1:
                end += 1
            runs.append((at, end))
            at = end
        else:
            at += 1
    if len(runs) > MOST_RUNS:
        return None
    found: Expr = tir.const(False, "bool")
    for low, high in runs:
        found = tirx.Or(found, tirx.And(tirx.GE(place, low), tirx.LT(place, high)))
    return analyzer.simplify(found)


def _shifted_bit(word: Expr, place: Expr, analyzer: Any) -> Expr | None:
    by = _small(word.b, analyzer)
    if by is None:
        return None
    if isinstance(word, RShift):
        # Beyond the end there are zeros, or copies of the sign.
        bits = _BITS[tir.dtype_of(word)]
        inside = tirx.LT(place + by, bits)
        if not analyzer.can_prove(inside) and not tir.dtype_of(word).startswith("u"):
            return None
        source = place + by
    else:
        inside, source = tirx.GE(place, by), place - by
    with ExitStack() as stack:
        assume(stack, inside, analyzer, ())
        found = _bit(word.a, source, analyzer)
    return None if found is None else analyzer.simplify(tirx.And(inside, found))


def _low_bit(word: Expr, place: Expr, bits: int, analyzer: Any) -> Expr | None:
    """A bit of `(1 << count) - 1`, also written `(1 << count) + 0xFFFFFFFF`."""
    known = tir.as_const(word.b)
    sign = 1 if isinstance(word, tirx.Add) else -1
    if known is None or (sign * known + 1) % (1 << bits):
        return None
    power, width = _stripped(word.a)
    if isinstance(power, tirx.Sub) and tir.as_const(power.a) == 0:
        # (0 - word) - 1 is ~word, in as many bits as all of it has.
        inside = tir.bounds(analyzer, place)[1] < min(width, bits)
        found = _bit(power.b, place, analyzer) if inside else None
        return None if found is None else negated(found)
    if not isinstance(power, LShift) or tir.as_const(power.a) != 1:
        return None
    count = _small(power.b, analyzer)
    dtype = tir.dtype_of(power)
    # The highest power is the sign of a signed number, and no power of two any more.
    most = _BITS.get(dtype, 0) - (1 if dtype.startswith("u") else 2)
    if count is None or tir.bounds(analyzer, count)[1] > most or width <= most:
        return None
    return tirx.LT(place, count)


def _stripped(expr: Expr) -> tuple[Expr, int]:
    """A word without casts and masks around it, and how many of its low bits they leave."""
    width = 64
    while True:
        masked = low_part(expr)
        if isinstance(expr, tirx.Cast) and tir.is_int(expr.value):
            width = min(width, _BITS.get(tir.dtype_of(expr), 0))
            expr = expr.value
        elif masked is not None:
            width = min(width, masked[2].bit_length())
            expr = masked[0]
        else:
            return expr, min(width, _BITS.get(tir.dtype_of(expr), 0))
