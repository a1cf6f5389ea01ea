"""Inputs of integers that hold the bits of floating-point numbers.

Kernels keep bfloat16 numbers as `unsigned short`, or two half numbers as a word. On small integers
such a kernel computes with numbers that are all but zero, and on negative ones with none at all:
whatever it does wrong, its results are equal. It is to be run on the bits of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.kernel import Tensor
from xpiler_tvm.tir import Buffer, Expr

from .partial_eval import ThreadProgram
from .program import Store, expressions, statements
from .values import BITS

_MOST_COPIES = 4


def encodings(thread: ThreadProgram) -> dict[str, str]:
    """The floating-point type whose bits the elements of an integer input hold, by its name."""
    held = {
        buffer: {param.name}
        for param, buffer in thread.params
        if isinstance(param, Tensor) and param.dtype.startswith(("int", "uint"))
    }
    dtypes = {param.name: param.dtype for param, _ in thread.params}
    copies = [
        statement
        for statement in statements(thread.body)
        if isinstance(statement, Store) and str(statement.buffer.dtype).startswith(("int", "uint"))
    ]
    for _ in range(_MOST_COPIES):
        for copy in copies:
            if copy.buffer.scope() != "global":
                held.setdefault(copy.buffer, set()).update(_read(copy.value, held))
    found: dict[str, str] = {}
    for dtype, bits in _seen_as_floats(expressions(thread.body)):
        for name in sorted(_read(bits, held)):
            if name in thread.value_ranges or name not in thread.read:
                continue
            # The upper half of a word is no number that an element of another size holds.
            if dtype != "bfloat16" or BITS[dtypes[name]] == 16:
                found.setdefault(name, dtype)
    return found


def _read(expr: Expr, held: dict[Buffer, set[str]]) -> set[str]:
    """The inputs that an expression's value is made of, places left aside."""
    loads = tir.loads(expr)
    places = [inner for load in loads for index in load.indices for inner in tir.loads(index)]
    return {
        name
        for load in loads
        if not any(load.same_as(inner) for inner in places)
        for name in held.get(load.source, ())
    }


def _seen_as_floats(exprs: list[Expr]) -> Iterator[tuple[str, Expr]]:
    """Integers whose bits are seen as a number, with its type.

    The upper half of a float32 whose lower half is zero is a bfloat16.
    """
    calls: list[Expr] = []
    for expr in exprs:
        tvm_ffi.structural_walk(expr, [(tvm.ir.Call, calls.append)])
    for call in calls:
        if call.op.name != "tirx.reinterpret" or not tir.is_int(call.args[0]):
            continue
        dtype, bits = tir.dtype_of(call), call.args[0]
        if dtype == "float32" and _is_upper_half(bits):
            yield "bfloat16", bits
        elif dtype.startswith("float"):
            yield dtype, bits


def _is_upper_half(bits: Expr) -> bool:
    if isinstance(bits, tirx.Mul):
        return tir.as_const(bits.b) == 1 << 16
    return isinstance(bits, tirx.LShift) and tir.as_const(bits.b) == 16
