"""What the functions of CUDA and HIP mean, as values: math, conversions, barriers, shuffles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.math import BY_C_NAME, MathFunction
from xpiler_tvm.dialects.warp import Arithmetic, Form, shuffle_source
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir
from ..values import Nothing, Number, Record, Value, common

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

Handler = Callable[["Calls", str, list[Value], Span], Value]

_CASTS = {
    "__half2float": "float32",
    "__float2half": "float16",
    "__float2half_rn": "float16",
    "__int2half_rn": "float16",
    "__int2float_rn": "float32",
    "__float2int_rz": "int32",
}
_BIT_CASTS = {
    "__float_as_int": ("float32", "int32"),
    "__float_as_uint": ("float32", "uint32"),
    "__int_as_float": ("int32", "float32"),
    "__uint_as_float": ("uint32", "float32"),
}
_ARITHMETIC = {
    "__hadd": "+",
    "__hsub": "-",
    "__hmul": "*",
    "__hdiv": "/",
    "__fadd_rn": "+",
    "__fsub_rn": "-",
    "__fmul_rn": "*",
    "__fdiv_rn": "/",
    "__fdividef": "/",
    "__mul24": "*",
}
_EXTREMA = {
    "fmax": "max",
    "fmin": "min",
    "__hmax": "max",
    "__hmin": "min",
    "max": "max",
    "min": "min",
}
_ATOMICS = {"atomicAdd": "+", "atomicSub": "-", "atomicMax": "max", "atomicMin": "min"}
_IGNORED = ("__threadfence", "__threadfence_block", "printf", "__builtin_assume")
_VECTORS = {"make_float": "float32", "make_int": "int32", "make_double": "float64"}


def call(evaluator: Calls, name: str, expr: ir.Call) -> Value | None:
    """The value of `name(args)`; `None` for an unknown function."""
    if name in ("__syncthreads", "__syncwarp"):
        evaluator.barrier(expr.span, warp=name == "__syncwarp")
        return Nothing()
    if name == "__activemask":
        threads = [var for var, _ in evaluator.ids.threads]
        if any(tir.has_load(test) or tir.uses(test, threads) for test in evaluator.path):
            raise ReadError(
                "XP1009", "which lanes are active here differs between threads", span=expr.span
            )
        return evaluator.math.number(
            (1 << evaluator.ids.warp) - 1, "uint64" if evaluator.ids.warp > 32 else "uint32"
        )
    if name in _IGNORED:
        if name == "printf":
            raise ReadError("XP1009", "printing from device code is not read", span=expr.span)
        return Nothing()
    if name.startswith("__shfl"):
        return _shuffle(evaluator, name, [evaluator.value(arg) for arg in expr.args], expr.span)
    if name in ("__builtin_inff", "__builtin_nanf", "__builtin_inf", "__builtin_huge_valf"):
        value = float("nan") if "nan" in name else float("inf")
        return evaluator.math.number(value, "float32" if name.endswith("f") else "float64")
    args = [evaluator.value(arg) for arg in expr.args]
    if name in ("sincosf", "sincos", "__sincosf"):
        for kind, place in zip(("sin", "cos"), args[1:], strict=True):
            row = BY_C_NAME[kind + ("f" if name.endswith("f") else "")]
            single = "float32" if name.endswith("f") else "float64"
            found = _call(
                evaluator, row, [arg for arg in args[:1] if isinstance(arg, Number)], single
            )
            evaluator.store(evaluator._address(place, expr.span), found, expr.span)
        return Nothing()
    if name in ("__ldg", "__ldcs", "__ldcg"):
        return evaluator.load(evaluator._address(args[0], expr.span), expr.span)
    if name == "__stcs":
        address = evaluator._address(args[0], expr.span)
        evaluator.store(address, args[1], expr.span)
        return Nothing()
    if name in _ATOMICS:
        return _atomic(evaluator, _ATOMICS[name], args, expr.span)
    for prefix, dtype in _VECTORS.items():
        if name.startswith(prefix) and name[len(prefix) :] in ("2", "3", "4"):
            fields = tuple((c, ir.Arithmetic(dtype)) for c in "xyzw"[: len(args)])
            return evaluator._record(ir.Struct(name[5:], fields), args, expr.span)
    if any(not isinstance(arg, Number) for arg in args):
        raise ReadError("XP1010", f"{name!r} has no reading for these arguments", span=expr.span)
    numbers = [arg for arg in args if isinstance(arg, Number)]
    return _pure(evaluator, name, numbers, expr.span)


def _pure(ev: Calls, name: str, args: list[Number], span: Span) -> Number | None:
    math = ev.math
    if name in _CASTS:
        return math.convert(args[0], _CASTS[name])
    if name == "__float2int_rn":
        rounded = Number(tirx.nearbyint(math.convert(args[0], "float32").expr), "float32")
        return math.convert(rounded, "int32")
    if name in _ARITHMETIC:
        return math.binary(_ARITHMETIC[name], args[0], args[1], span)
    if name == "__dp4a":
        total = math.convert(args[2], "int32")
        for shift in (24, 16, 8, 0):  # each byte to the top and back keeps its sign
            left, right = (_byte(math.convert(arg, "int32").expr, shift) for arg in args[:2])
            total = Number(total.expr + left * right, "int32")
        return total
    if name in _BIT_CASTS:
        source, dtype = _BIT_CASTS[name]
        value = math.convert(args[0], source)
        word = value.expr if tir.dtype_of(value.expr) == source else tirx.Cast(source, value.expr)
        return Number(tirx.reinterpret(dtype, word), dtype)
    if name == "__popc":
        word = math.convert(args[0], "uint32")
        return Number(tirx.Cast("int32", tirx.popcount(math._as(word.expr, "uint32"))), "int32")
    if name == "__frcp_rn":
        return math.binary("/", math.number(1.0, "float32"), args[0], span)
    if name == "__saturatef":
        low = _extremum(ev, "max", args[0], math.number(0.0, "float32"))
        return _extremum(ev, "min", low, math.number(1.0, "float32"))
    if name in ("abs", "labs") and not args[0].is_float:
        negative = math.negative(args[0], span)
        return _extremum(ev, "max", args[0], negative)
    if name == "abs":
        return _call(ev, BY_C_NAME["fabs"], args, args[0].dtype)
    if name in ("isnan", "isinf", "isfinite"):
        return Number(getattr(tirx, name)(args[0].expr), "bool")
    base = name[:-1] if name in ("fmaxf", "fminf") else name
    if base in _EXTREMA:
        return _extremum(ev, _EXTREMA[base], args[0], args[1])
    row = BY_C_NAME.get(name)
    if row is None:
        return None
    if row.name == "fma" or name == "__hfma":
        product = math.binary("*", args[0], args[1], span)
        return math.binary("+", product, args[2], span)
    single = name == row.single or name in row.fast
    return _call(ev, row, args, "float32" if single else _float_type(args))


def _byte(word: Expr, shift: int) -> Expr:
    top = tirx.shift_left(word, tir.const(shift, "int32")) if shift else word
    return tirx.shift_right(top, tir.const(24, "int32"))


def _float_type(args: list[Number]) -> str:
    """The overload that C++ picks: float for floats alone, double for integers and doubles."""
    dtypes = {arg.dtype if arg.is_float else "float64" for arg in args}
    if len(dtypes) > 1:
        dtypes = {arg.dtype for arg in args if arg.is_float}
    result = dtypes.pop()
    for dtype in dtypes:
        result = common(result, dtype)
    return result


def _call(ev: Calls, row: MathFunction, args: list[Number], dtype: str) -> Number:
    exprs = [ev.math.convert(arg, dtype).expr for arg in args]
    if row.tir is None:
        return Number(_EXPANDED[row.name](exprs[0], dtype), dtype)
    make: Any = tirx.abs if row.tir == "fabs" else getattr(tirx, row.tir)
    return Number(make(*exprs), dtype)


def _cbrt(x: Expr, dtype: str) -> Expr:
    third = tir.const(1.0 / 3.0, dtype)
    magnitude = tirx.pow(tirx.abs(x), third)
    return tirx.copysign(magnitude, x)


def _expm1(x: Expr, dtype: str) -> Expr:
    # tanh(x/2) = expm1(x) / (expm1(x) + 2), so expm1(x) = 2 t / (1 - t) without cancellation at 0
    half = tirx.tanh(x * tir.const(0.5, dtype))
    return tir.const(2.0, dtype) * half / (tir.const(1.0, dtype) - half)


_EXPANDED: dict[str, Callable[[Expr, str], Expr]] = {"cbrt": _cbrt, "expm1": _expm1}


def _extremum(ev: Calls, kind: str, left: Number, right: Number) -> Number:
    dtype = common(left.dtype, right.dtype)
    a, b = ev.math.convert(left, dtype).expr, ev.math.convert(right, dtype).expr
    if tir.dtype_of(a) != tir.dtype_of(b):
        a, b = ev.math._as(a, dtype), ev.math._as(b, dtype)
    found = tirx.max(a, b) if kind == "max" else tirx.min(a, b)
    if "float" not in dtype and not tir.has_load(found):
        found = ev.math.simplify(found)
    return Number(found, dtype)


def _atomic(ev: Calls, op: str, args: list[Value], span: Span) -> Value:
    """An atomic whose old value nobody reads: a read-modify-write."""
    address = ev._address(args[0], span)
    old = ev.load(address, span)
    if not isinstance(old, Number) or not isinstance(args[1], Number):
        raise ReadError("XP1009", "this atomic is not read", span=span)
    if op in ("max", "min"):
        new = _extremum(ev, op, old, args[1])
    else:
        new = ev.math.binary(op, old, args[1], span)
    ev.store(address, new, span, atomic=True)
    return Nothing()


def _shuffle(ev: Calls, name: str, args: list[Value], span: Span) -> Value:
    """`__shfl{,_up,_down,_xor}{,_sync}`: the value of another lane, or one's own outside."""
    if name.endswith("_sync"):
        args = args[1:]
    kind = cast(Form, name.removesuffix("_sync").removeprefix("__shfl").lstrip("_"))
    value, by, *rest = args
    if isinstance(value, Record) or not isinstance(value, Number) or not isinstance(by, Number):
        raise ReadError("XP1009", "this shuffle is not read", span=span)
    width = ev.ids.warp
    if rest and isinstance(rest[0], Number):
        given = ev.math.known(rest[0].expr)
        if given is None:
            raise ReadError("XP1009", "a shuffle's width must be a constant", span=span)
        width = given or ev.ids.warp
    shift = ev.math.as_index(ev.math.convert(by, "int32"))
    size = tir.const(width, "int32")

    arithmetic = Arithmetic(
        remainder=tirx.floormod,
        xor=lambda a, b: ev.math._bitwise("^", a, b, "int32").expr,
        select=tirx.Select,
        less=tirx.LT,
    )

    def lane(own: Expr) -> Expr:
        return ev.math.simplify(shuffle_source(kind, own, shift, size, arithmetic))

    return ev.exchange(value, lane, span)
