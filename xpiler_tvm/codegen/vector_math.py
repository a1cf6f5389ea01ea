"""exp, log, tanh, erf, sigmoid, sin and cos of float32 as arithmetic, which compilers vectorise.

LLVM calls the C library for each element. Written out, a loop over them runs in vectors:

    y[i] = exp(x[i])   ->   y[i] = 2^n * p(r),   x[i] = n * ln 2 + r,   |r| <= ln(2) / 2

Each function reduces its argument, evaluates a polynomial and puts the parts together. The
polynomials are least in their greatest relative error (Lawson's algorithm, in double precision, on
the intervals stated below); `ERRORS` says what is left in units of the last place, rounding
included. Infinities, NaNs, zeros with their signs and denormal numbers come out as C has them.
Nothing counts on fused multiply-adds, and all work with or without them.

`sin` and `cos` reduce their arguments in double precision, which holds up to `TRIGONOMETRIC_LIMIT`.
A loop of them looks at its arguments first, and calls the C library where one is larger:

    for i: y[i] = sin(x[i])   ->   m = max over i of |x[i]|
                                   if m < limit: for i: y[i] = polynomial   else: for i: as it was

Outside of such loops they stay as they are, as does all that is not float32.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

from .divisions import by_reciprocals
from .transposes import by_shuffles

ERRORS = {
    "exp": 1.25,
    "exp2": 1.25,
    "log": 1.25,
    "tanh": 2.5,
    "erf": 2.5,
    "sin": 1.75,
    "cos": 1.75,
}
"""Bounds of the errors in units of the last place, over all arguments (tested)."""

TRIGONOMETRIC_LIMIT = float(1 << 20)
CHUNK = 256
"""How many arguments are looked at before they are used: few enough to stay in the first cache."""

Expr = tir.Expr
Function: TypeAlias = "Callable[[Expr], Expr]"
Scale: TypeAlias = "Callable[[Expr, Expr], Expr]"
"""`value` * 2^`exponent`."""

_FLOAT, _INT = "float32", "int32"
_SIGN = -0x80000000
_MAGIC = float(3 << 22)
"""Adding it leaves the nearest integer in the low bits of a float32 below 2^22."""
_MAGIC64 = float(3 << 51)

# e^r = 1 + r + r^2 E(r) on |r| <= ln(2)/2 * 1.01, within 3.3e-9.
_EXP = (0.49999994, 0.166665152, 0.041668456, 0.00836941879, 0.00138131424)
# log(1+f) = f - f^2/2 + f^3 L(f) on sqrt(1/2) <= 1+f <= sqrt(2), within 7.6e-10.
_LOG = (
    0.333333135,
    -0.250000089,
    0.200021341,
    -0.166680068,
    0.14219223,
    -0.124051385,
    0.118903361,
    -0.116796426,
    0.067465581,
)
# erf(x) = 1 - exp(x Q(x)) on 0 <= x <= 4, within 3.5e-8.
_ERFC = (
    -1.12837921,
    -0.636616496,
    -0.102814417,
    0.0193217326,
    -0.000205738601,
    -0.00125173084,
    0.000380995208,
    -4.07072023e-05,
)
# sin(r) = r + r^3 S(r^2) and cos(r) = 1 - r^2/2 + r^4 C(r^2) on |r| <= pi/4.
_SIN = (-0.166666672, 0.00833332911, -0.000198393042, 2.71804652e-06)
_COS = (0.0416666456, -0.00138873095, 2.44324128e-05)

# ln 2 in two parts: the first has so few digits that its products with exponents are exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
# pi/2 in two parts of double precision, the first with 33 bits.
_HALF_PI_HIGH, _HALF_PI_LOW = float.fromhex("0x1.921fb544p+0"), 6.07710050650619224932e-11


def vectorisable(mod: tvm.IRModule, scales: bool = False) -> tvm.IRModule:
    """The scheduled program as loops, with the functions above written out as arithmetic.

    `scales` says that the processor multiplies by powers of two in one instruction, for all
    exponents, as AVX-512 does.
    """
    lowered = _LOWER(mod)
    known = functions_of(_scaled_at_once if scales else _scaled)
    functions = {
        var: _written_out(func, known) if isinstance(func, tirx.PrimFunc) else func
        for var, func in lowered.functions.items()
    }
    return tvm.IRModule(functions, attrs=lowered.attrs)


# SBlocks become loops, as TVM's own pipeline for CPUs has it first.
_LOWER = tvm.ir.transform.Sequential(
    [
        s_tir.transform.CanonicalizeLoop(),
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.AnnotateIrregularLoop(),
        s_tir.transform.LowerOpaqueBlock(),
    ]
)


def _written_out(func: tirx.PrimFunc, known: Mapping[str, Function]) -> tirx.PrimFunc:
    def unconditional(call: tvm.ir.Call) -> Expr:
        make = known.get(_name(call))
        return call if make is None else _let(call.args[0], make)

    local: list[tirx.AllocBuffer] = []
    tvm_ffi.structural_walk(func.body, [(tirx.AllocBuffer, local.append)])
    widened = partial(_widened, [each.buffer for each in local])
    body = tvm_ffi.structural_map(func.body, (tirx.Cast, widened), order="post")
    body = by_shuffles(by_reciprocals(body))
    body = tvm_ffi.structural_map(body, (tirx.For, _guarded), order="post")
    body = tvm_ffi.structural_map(body, (tvm.ir.Call, unconditional), order="post")
    return tirx.PrimFunc(list(func.params), body, func.ret_type, func.attrs)


def _widened(local: Sequence[tir.Buffer], cast: tirx.Cast) -> Expr:
    """A bfloat16 as float32, in so many words: TVM casts its bits as a number inside of a `Let`.

    Of `local` arrays it makes arrays of float32, whose elements have no such bits.
    """
    if tir.dtype_of(cast) != _FLOAT or tir.dtype_of(cast.value) != "bfloat16":
        return cast
    if any(load.source.same_as(each) for load in tir.loads(cast.value) for each in local):
        return cast
    bits = tirx.Cast("uint32", tirx.reinterpret("uint16", cast.value))
    return _float(tirx.shift_left(bits, tirx.const(16, "uint32")))


def _casts_bfloat16(expr: Expr) -> bool:
    casts: list[tirx.Cast] = []
    tvm_ffi.structural_walk(expr, [(tirx.Cast, casts.append)])
    return any("bfloat16" in (tir.dtype_of(each), tir.dtype_of(each.value)) for each in casts)


def _name(call: tvm.ir.Call) -> str:
    """The name of a function of one float32; empty for other calls."""
    if len(call.args) != 1 or tir.dtype_of(call.args[0]) != _FLOAT or _casts_bfloat16(call):
        return ""
    return str(getattr(call.op, "name", "")).removeprefix("tirx.")


# ---------------------------------------------------------------- pieces


def _const(value: float) -> Expr:
    return tirx.const(value, _FLOAT)


def _let(value: Expr, use: Callable[[Expr], Expr]) -> Expr:
    """`use` of a value that is worked out once."""
    name = tirx.Var("t", tir.dtype_of(value))
    return tirx.Let(name, value, use(name))


def _bits(value: Expr) -> Expr:
    return tirx.reinterpret(_INT, value)


def _float(bits: Expr) -> Expr:
    return tirx.reinterpret(_FLOAT, bits)


def _magnitude(x: Expr) -> Expr:
    return _float(_bits(x) & 0x7FFFFFFF)


def _with_sign_of(x: Expr, value: Expr) -> Expr:
    return _float(_bits(value) | (_bits(x) & _SIGN))


def _power_of_two(exponent: Expr) -> Expr:
    return _float((exponent + 127) << 23)


def _horner(x: Expr, coefficients: Sequence[float]) -> Expr:
    value: Expr = _const(coefficients[-1])
    for each in reversed(coefficients[:-1]):
        value = value * x + _const(each)
    return value


def _clamped(x: Expr, low: float, high: float) -> Expr:
    """`x` within bounds; a NaN stays one."""
    above = tirx.Select(x < _const(low), _const(low), x)
    return _let(above, lambda y: tirx.Select(y > _const(high), _const(high), y))


def _nearest(x: Expr, use: Callable[[Expr, Expr], Expr]) -> Expr:
    """`use(n, k)` of the integer nearest to `x`, as float32 and as int32; |x| is below 2^22."""
    offset = struct.unpack("<i", struct.pack("<f", _MAGIC))[0]

    def parts(shifted: Expr) -> Expr:
        return _let(shifted - _const(_MAGIC), lambda n: use(n, _bits(shifted) - offset))

    return _let(x + _const(_MAGIC), parts)


def _exp_of_reduced(r: Expr) -> Expr:
    return _horner(r, (1.0, 1.0, *_EXP))


# ---------------------------------------------------------------- functions


def _scaled_at_once(value: Expr, exponent: Expr) -> Expr:
    """The same by one instruction, which is a call of the C library where there is none."""
    return tirx.call_llvm_pure_intrin(_FLOAT, "llvm.ldexp", value, exponent)


def _scaled(value: Expr, exponent: Expr) -> Expr:
    """`value` * 2^`exponent` in two steps, so that results may be denormal or infinite."""

    def halves(k: Expr) -> Expr:
        return _let(k >> 1, lambda half: value * _power_of_two(half) * _power_of_two(k - half))

    return _let(exponent, halves)


def _exp(scaled: Scale, x: Expr) -> Expr:
    def reduced(x: Expr) -> Expr:
        def parts(n: Expr, k: Expr) -> Expr:
            r = (x - n * _const(_LN2_HIGH)) - n * _const(_LN2_LOW)
            return scaled(_let(r, _exp_of_reduced), k)

        return _nearest(x * _const(1.4426950408889634), parts)

    return _let(_clamped(x, -104.0, 88.8), reduced)


def _exp2(scaled: Scale, x: Expr) -> Expr:
    def reduced(x: Expr) -> Expr:
        def parts(n: Expr, k: Expr) -> Expr:
            return scaled(_let((x - n) * _const(0.6931471805599453), _exp_of_reduced), k)

        return _nearest(x, parts)

    return _let(_clamped(x, -151.0, 128.0), reduced)


def _exp_less_one(x: Expr) -> Expr:
    """exp(x) - 1 where -80 < x < 80: 2^n p + (2^n - 1), and p = exp(r) - 1 has no cancellation."""

    def parts(n: Expr, k: Expr) -> Expr:
        r = (x - n * _const(_LN2_HIGH)) - n * _const(_LN2_LOW)
        p = _let(r, lambda r: r + r * r * _horner(r, _EXP))
        return _let(_power_of_two(k), lambda scale: scale * p + (scale - _const(1.0)))

    return _nearest(x * _const(1.4426950408889634), parts)


def _log(x: Expr) -> Expr:
    root_half = struct.unpack("<i", struct.pack("<f", 0.70710678))[0]
    tiny = x < _const(2.0**-126)

    def parts(bits: Expr, e: Expr) -> Expr:
        def polynomial(f: Expr, n: Expr) -> Expr:
            tail = f * f * (f * _horner(f, _LOG) - _const(0.5)) + n * _const(_LN2_LOW)
            return n * _const(_LN2_HIGH) + (f + tail)

        exponent = tirx.Cast(_FLOAT, e) - tirx.Select(tiny, _const(23.0), _const(0.0))
        fraction = _float(bits - (e << 23)) - _const(1.0)
        return _let(fraction, lambda f: _let(exponent, lambda n: polynomial(f, n)))

    normal = tirx.Select(tiny, x * _const(2.0**23), x)
    value = _let(_bits(normal), lambda b: _let((b - root_half) >> 23, lambda e: parts(b, e)))
    infinity = _const(float("inf"))
    at_most_zero = tirx.Select(x.equal(_const(0.0)), -infinity, _const(float("nan")))

    def chosen(value: Expr) -> Expr:
        return tirx.Select(x > _const(0.0), tirx.Select(x < infinity, value, x), at_most_zero)

    return _let(value, chosen)


def _tanh(x: Expr) -> Expr:
    """d / (d + 2), where d = exp(2 |x|) - 1."""

    def bounded(t: Expr) -> Expr:
        return _let(tirx.Select(t > _const(10.0), _const(20.0), t + t), _exp_less_one)

    def quotient(d: Expr) -> Expr:
        return _with_sign_of(x, d / (d + _const(2.0)))

    return _let(_let(_magnitude(x), bounded), quotient)


def _erf(x: Expr) -> Expr:
    def parts(t: Expr) -> Expr:
        first, *rest = _ERFC
        exponent = t * _const(first) + t * t * _horner(t, rest)
        return _with_sign_of(x, _magnitude(_let(exponent, _exp_less_one)))

    def bounded(t: Expr) -> Expr:
        return _let(tirx.Select(t > _const(4.0), _const(4.0), t), parts)

    return _let(_magnitude(x), bounded)


def _chosen(test: Expr, one: Expr, other: Expr) -> Expr:
    return _let(one, lambda a: _let(other, lambda b: tirx.Select(test, a, b)))


def _sigmoid(scaled: Scale, x: Expr) -> Expr:
    return _const(1.0) / (_const(1.0) + _let(-x, partial(_exp, scaled)))


def functions_of(scaled: Scale) -> dict[str, Function]:
    """What is written out wherever it stands: functions of a variable."""
    return {
        "exp": partial(_exp, scaled),
        "exp2": partial(_exp2, scaled),
        "log": _log,
        "tanh": _tanh,
        "erf": _erf,
        "sigmoid": partial(_sigmoid, scaled),
    }


# ---------------------------------------------------------------- sin and cos


def _circular(x: Expr, quarters: int) -> Expr:
    """sin(x + quarters * pi/2), where |x| < `TRIGONOMETRIC_LIMIT`."""

    def double(value: float) -> Expr:
        return tirx.const(value, "float64")

    def parts(d: Expr, shifted: Expr) -> Expr:
        def values(n: Expr) -> Expr:
            r = (d - n * double(_HALF_PI_HIGH)) - n * double(_HALF_PI_LOW)
            quadrant = tirx.Cast(_INT, tirx.reinterpret("int64", shifted)) + quarters
            return _let(
                tirx.Cast(_FLOAT, r), lambda r: _let(quadrant, lambda q: _of_quadrant(r, q))
            )

        return _let(shifted - double(_MAGIC64), values)

    def reduced(d: Expr) -> Expr:
        return _let(d * double(0.6366197723675814) + double(_MAGIC64), lambda z: parts(d, z))

    return _let(tirx.Cast("float64", x), reduced)


def _of_quadrant(r: Expr, quadrant: Expr) -> Expr:
    def chosen(s: Expr) -> Expr:
        sine = r + r * (s * _horner(s, _SIN))
        cosine = s * (s * _horner(s, _COS) - _const(0.5)) + _const(1.0)
        value = _chosen((quadrant & 1).equal(0), sine, cosine)
        return _float(_bits(value) ^ ((quadrant & 2) << 30))

    return _let(r * r, chosen)


_BOUNDED: dict[str, Callable[[Expr], Expr]] = {
    "sin": lambda x: _circular(x, 0),
    "cos": lambda x: _circular(x, 1),
}


def _guarded(loop: tirx.For) -> tirx.Stmt:
    """An innermost loop of one store with `sin` or `cos`, twice: polynomials, or as it was."""
    store = loop.body
    if not isinstance(store, tirx.BufferStore) or loop.kind == tirx.ForKind.PARALLEL:
        return loop
    found = _arguments(store)
    if not found or not all(_known_beforehand(each, store, loop.loop_var) for each in found):
        return loop

    def fast(call: tvm.ir.Call) -> Expr:
        make = _BOUNDED.get(_name(call))
        return call if make is None else _let(call.args[0], make)

    quick = tvm_ffi.structural_map(store, (tvm.ir.Call, fast), order="post")
    extent = tir.as_const(loop.extent)
    if extent is not None and extent <= CHUNK:
        return _versions(loop, found, quick, loop.min, loop.extent)
    chunk = tirx.Var("chunk", tir.dtype_of(loop.loop_var))
    start = loop.min + chunk * CHUNK
    length = tirx.min(tirx.const(CHUNK, tir.dtype_of(loop.loop_var)), loop.extent - chunk * CHUNK)
    chunks = (loop.extent + (CHUNK - 1)) // CHUNK
    body = _versions(loop, found, quick, start, length)
    return tirx.For(chunk, 0, chunks, tirx.ForKind.SERIAL, body)


def _arguments(store: tirx.BufferStore) -> list[Expr]:
    found: list[Expr] = []
    tvm_ffi.structural_walk(
        store.value,
        [(tvm.ir.Call, lambda c: found.append(c.args[0]) if _name(c) in _BOUNDED else None)],
    )
    return found


def _known_beforehand(argument: Expr, store: tirx.BufferStore, var: tirx.Var) -> bool:
    """Whether an argument may be worked out for all iterations before any of them stores.

    It must not stand below a choice, which may guard what it reads, nor below a `Let`; and what the
    loop stores it may read at the very place that its own iteration alone stores to.
    """
    choices: list[Expr] = []

    def note(node: Expr) -> None:
        if isinstance(node, tirx.Let) or getattr(node.op, "name", "") == "prim.if_then_else":
            choices.append(node)

    tvm_ffi.structural_walk(store.value, [(tvm.ir.Call, note), (tirx.Let, note)])
    if choices:
        return False
    analyzer = tvm.sym.Analyzer()
    own = any(not tir.uses(analyzer.simplify(index - var), [var]) for index in store.indices)
    return all(
        not load.source.same_as(store.buffer)
        or (own and all(map(tir.same, load.indices, store.indices)))
        for load in tir.loads(argument)
    )


def _versions(
    loop: tirx.For, arguments: Sequence[Expr], quick: tirx.Stmt, start: Expr, length: Expr
) -> tirx.Stmt:
    """Both versions of a part of a loop, and what decides between them."""
    largest = tirx.decl_buffer((1,), _INT, "largest", scope="local")
    limit = struct.unpack("<i", struct.pack("<f", TRIGONOMETRIC_LIMIT))[0]

    def part(body: tirx.Stmt, kind: int) -> tirx.Stmt:
        fresh = tirx.Var(loop.loop_var.name, tir.dtype_of(loop.loop_var))
        moved = tvm_ffi.structural_map(
            body, (tirx.Var, lambda v: start + fresh if v.same_as(loop.loop_var) else v)
        )
        return tirx.For(fresh, 0, length, kind, moved)

    most: Expr = largest[0]
    for argument in arguments:
        # Magnitudes in the order of their bits; an infinity or a NaN is larger than all others.
        most = tirx.max(most, _bits(argument) & 0x7FFFFFFF)
    serial = tirx.ForKind.SERIAL
    look = part(tirx.BufferStore(largest, most, [0]), serial)
    kind = loop.kind if tir.as_const(length) is not None else serial
    choice = tirx.IfThenElse(largest[0] < limit, part(quick, kind), part(loop.body, serial))
    first = tirx.BufferStore(largest, tirx.const(0, _INT), [0])
    return tirx.SeqStmt([tirx.AllocBuffer(largest), first, look, choice])
