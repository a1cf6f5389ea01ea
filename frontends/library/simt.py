"""What CUDA and HIP share: barriers, memory, bits, roundings, vectors."""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError
from xpiler_tvm.tir import Expr

from .. import ir
from ..values import BITS, Nothing, Number, Record, Value
from .calling import Handler, Invocation, extremum
from .mathematics import IN_RANGE
from .warp import all_lanes, mask_of

VECTORS = {
    "char": "int8",
    "uchar": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "int": "int32",
    "uint": "uint32",
    "long": "int64",
    "ulong": "uint64",
    "longlong": "int64",
    "ulonglong": "uint64",
    "float": "float32",
    "double": "float64",
}
"""Elements of the vector types `char1` to `double4`."""


def _nothing(call: Invocation) -> Value:
    """A hint, or a fence: threads of the sequential program see each other's stores anyway."""
    return Nothing()


# ---------------------------------------------------------------- barriers and memory


def _barrier(warp: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        some = bool(call.args) and not tir.same(mask_of(call).expr, all_lanes(call.ev).expr)
        call.ev.barrier(call.span, warp=warp, lanes=1 if some else None)
        return Nothing()

    return handler


def _load(call: Invocation) -> Value:
    return call.ev.load(call.address(0), call.span)


def _store(call: Invocation) -> Value:
    call.ev.store(call.address(0), call.args[1], call.span)
    return Nothing()


def _store_value_first(call: Invocation) -> Value:
    call.ev.store(call.address(1), call.args[0], call.span)
    return Nothing()


def _printing(call: Invocation) -> Value:
    raise ReadError("XP1009", "printing from device code is not read", span=call.span)


def _clock(call: Invocation) -> Value:
    raise call.refused("measures time, which has no form on other platforms")


# ---------------------------------------------------------------- bits


def _as_bits(source: str, target: str) -> Handler:
    def handler(call: Invocation) -> Value:
        value = call.number(0, source)
        return Number(tirx.reinterpret(target, call.math._as(value.expr, source)), target)

    return handler


def _half_of_double(high: bool) -> Handler:
    """`__double2hiint` and `__double2loint`."""

    def handler(call: Invocation) -> Value:
        word = Number(tirx.reinterpret("int64", call.number(0, "float64").expr), "int64")
        if high:
            return Number(
                tirx.Cast("int32", tirx.shift_right(word.expr, tir.const(32, "int64"))), "int32"
            )
        return call.math.convert(word, "int32")

    return handler


def _double_of_halves(call: Invocation) -> Value:
    high, low = (
        tirx.Cast("int64", call.math._as(call.number(position, dtype).expr, dtype))
        for position, dtype in ((0, "int32"), (1, "uint32"))
    )
    word = tirx.bitwise_or(tirx.shift_left(high, tir.const(32, "int64")), low)
    return Number(tirx.reinterpret("float64", word), "float64")


# ---------------------------------------------------------------- roundings of their own

_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_INTEGERS = {"int": "int32", "uint": "uint32", "ll": "int64", "ull": "uint64"}
_FLOATS = {"float": "float32", "double": "float64"}
_MANTISSA = {"float32": 24, "float64": 53}
_WHOLE: dict[str, Callable[[Expr], Expr]] = {
    "rn": tirx.nearbyint,
    "rz": tirx.trunc,
    "ru": tirx.ceil,
    "rd": tirx.floor,
}
_DIRECTED = "rounds in a direction of its own, which no other target does"


def _binary(op: str, dtype: str) -> Handler:
    return lambda call: call.math.binary(
        op, call.number(0, dtype), call.number(1, dtype), call.span
    )


def _unary(dtype: str, make: Callable[[Expr], Expr]) -> Handler:
    return lambda call: Number(make(call.number(0, dtype).expr), dtype)


def _refused(call: Invocation) -> Value:
    raise call.refused(_DIRECTED)


def _inverse(dtype: str) -> Handler:
    return lambda call: call.math.binary(
        "/", call.math.number(1.0, dtype), call.number(0, dtype), call.span
    )


def _fused(dtype: str) -> Handler:
    def handler(call: Invocation) -> Value:
        a, b, c = (call.number(position, dtype) for position in range(3))
        product = call.math.binary("*", a, b, call.span)
        return call.math.binary("+", product, c, call.span)

    return handler


def _from_integer(source: str, target: str, nearest: bool) -> Handler:
    """A conversion that is exact for all values, or rounds as every target does."""

    def handler(call: Invocation) -> Value:
        value = call.number(0, source)
        low, high = call.math.bounds(value.expr)
        most = 1 << _MANTISSA[target]
        exact = BITS[source] < _MANTISSA[target] or (-most <= low and high <= most)
        if not nearest and not exact:
            raise call.refused(_DIRECTED)
        return call.math.convert(value, target)

    return handler


def _to_integer(source: str, target: str, rounding: str) -> Handler:
    def handler(call: Invocation) -> Value:
        whole = Number(_WHOLE[rounding](call.number(0, source).expr), source)
        call.math.assumptions.add(IN_RANGE)
        return call.math.convert(whole, target)

    return handler


def _converted(source: str, target: str) -> Handler:
    return lambda call: call.math.convert(call.number(0, source), target)


def _roundings() -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    for rounding in ("rn", "rz", "ru", "rd"):
        nearest = rounding == "rn"
        for letter, dtype in (("f", "float32"), ("d", "float64")):
            forms = {
                **{f"__{letter}{name}": _binary(op, dtype) for name, op in _ARITHMETIC.items()},
                f"__{letter}rcp": _inverse(dtype),
                f"__{letter}sqrt": _unary(dtype, tirx.sqrt),
                "__fma" if letter == "d" else "__fmaf": _fused(dtype),
            }
            for name, handler in forms.items():
                found[f"{name}_{rounding}"] = handler if nearest else _refused
        for name, integer in _INTEGERS.items():
            for real, dtype in _FLOATS.items():
                found[f"__{real}2{name}_{rounding}"] = _to_integer(dtype, integer, rounding)
                found[f"__{name}2{real}_{rounding}"] = _from_integer(integer, dtype, nearest)
        found[f"__double2float_{rounding}"] = (
            _converted("float64", "float32") if nearest else _refused
        )
    return found


# ---------------------------------------------------------------- fast forms


def _saturated(call: Invocation) -> Value:
    low = extremum(call.math, "max", call.number(0, "float32"), call.math.number(0.0, "float32"))
    return extremum(call.math, "min", low, call.math.number(1.0, "float32"))


# ---------------------------------------------------------------- vectors


def _vector(name: str, dtype: str, count: int) -> Handler:
    kind = ir.Struct(f"{name}{count}", tuple((c, ir.Arithmetic(dtype)) for c in "xyzw"[:count]))

    def handler(call: Invocation) -> Value:
        numbers = [call.number(position, dtype) for position in range(count)]
        return Record(kind, dict(zip("xyzw", numbers, strict=False)))

    return handler


_COMPARED = ("==", "!=")
_NUMERIC = ("+", "-", "*", "/")
_BITWISE = ("%", "&", "|", "^", "<<", ">>")


def _vector_operator(op: str) -> Handler:
    """HIP's operators of vectors, of which a number stands for a vector of it."""

    def handler(call: Invocation) -> Value | None:
        vectors = [
            value
            for value in call.args
            if isinstance(value, Record) and value.kind.name.rstrip("1234") in VECTORS
        ]
        if not vectors or call.ev.source.dialect != "hip":
            return None
        kind = vectors[0].kind
        dtype = VECTORS[kind.name.rstrip("1234")]
        results = []
        for name, _ in kind.fields:
            operands = [call.math.convert(_field(call, value, name), dtype) for value in call.args]
            if len(operands) == 1:
                found = call.math.negative(operands[0], call.span)
            else:
                found = call.math.binary(op, operands[0], operands[1], call.span)
            results.append(found)
        if op in _COMPARED:
            join = tirx.And if op == "==" else tirx.Or
            test = results[0].expr
            for result in results[1:]:
                test = join(test, result.expr)
            return Number(test, "bool")
        fields = {
            name: call.math.convert(result, dtype)
            for (name, _), result in zip(kind.fields, results, strict=True)
        }
        return Record(kind, {**fields})

    return handler


def _field(call: Invocation, value: Value, name: str) -> Number:
    number = value.fields[name] if isinstance(value, Record) else value
    if not isinstance(number, Number):
        raise call.refused("has no reading for these arguments")
    return number


HANDLERS: dict[str, Handler] = {
    "__syncthreads": _barrier(warp=False),
    "__syncwarp": _barrier(warp=True),
    **dict.fromkeys(("__ldg", "__ldca", "__ldcg", "__ldcs", "__ldlu", "__ldcv"), _load),
    **dict.fromkeys(("__stwb", "__stcg", "__stcs", "__stwt"), _store),
    "__builtin_nontemporal_load": _load,
    "__builtin_nontemporal_store": _store_value_first,
    **dict.fromkeys(
        (
            "__threadfence",
            "__threadfence_block",
            "__threadfence_system",
            "__nanosleep",
            "__builtin_assume",
            "__assert_fail",
        ),
        _nothing,
    ),
    "printf": _printing,
    "clock": _clock,
    "clock64": _clock,
    "__float_as_int": _as_bits("float32", "int32"),
    "__float_as_uint": _as_bits("float32", "uint32"),
    "__int_as_float": _as_bits("int32", "float32"),
    "__uint_as_float": _as_bits("uint32", "float32"),
    "__double_as_longlong": _as_bits("float64", "int64"),
    "__longlong_as_double": _as_bits("int64", "float64"),
    "__double2hiint": _half_of_double(high=True),
    "__double2loint": _half_of_double(high=False),
    "__hiloint2double": _double_of_halves,
    **_roundings(),
    **dict.fromkeys(("__fdividef", "fdividef"), _binary("/", "float32")),
    "__saturatef": _saturated,
    **{
        f"make_{name}{count}": _vector(name, dtype, count)
        for name, dtype in VECTORS.items()
        for count in (1, 2, 3, 4)
    },
}
VECTOR_OPERATORS: dict[str, Handler] = {
    f"operator{op}": _vector_operator(op) for op in (*_NUMERIC, *_BITWISE, *_COMPARED)
}
