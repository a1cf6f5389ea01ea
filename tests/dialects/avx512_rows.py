"""Kernels that call rows of the tables of x86's vector intrinsics, with data that finds mistakes.

A call takes its operands from arrays of their element types and leaves its result in another one,
so that a kernel of many rows is compiled once, whatever compiles it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from xpiler_tvm.dialects.avx512 import (
    BITS,
    Immediate,
    Intrinsic,
    Kind,
    Mask,
    Memory,
    Operand,
    Scalar,
    Vector,
)
from xpiler_tvm.kernel import Kernel, Tensor

C_TYPES = {
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "_Float16",
    "float32": "float",
    "float64": "double",
}
SIZE, MARGIN = 512, 64
"""Elements of each input, the last of which no operand begins at."""

# What compilers leave open: the upper part of a register that was widened.
UNDEFINED = re.compile(r"undefined|_cast[a-z]+(128|256)?_[a-z]+(256|512)$")


@dataclass
class Rows:
    """A kernel of calls, and where the result of each lies: dtype, offset, elements."""

    lines: list[str] = field(default_factory=list)
    places: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def kernel(self) -> Kernel:
        params = [Tensor(f"in_{dtype}", (SIZE,), dtype) for dtype in C_TYPES]
        params += [Tensor(f"at_{dtype}", (SIZE,), dtype) for dtype in ("int32", "int64")]
        sizes = self.sizes.items()
        params += [Tensor(f"to_{dtype}", (size,), dtype, "inout") for dtype, size in sizes]
        declared = ", ".join(
            f"{'' if param.written else 'const '}{C_TYPES[param.dtype]}* {param.name}"
            for param in params
        )
        body = "\n".join(self.lines)
        includes = "#include <immintrin.h>\n#include <stdint.h>"
        text = f"{includes}\nvoid rows({declared}) {{\n{body}\n}}\n"
        return Kernel(text, "vnni", "rows", tuple(params), filename="rows.c")

    def add(self, row: Intrinsic) -> None:
        """Calls a row, with each of a few constants where it takes one."""
        immediates = [one for one in row.operands if isinstance(one.kind, Immediate)]
        scales = [one for one in immediates if one.name == "scale"]
        constants = _constants(row) if immediates and not scales else [0]
        for constant in constants:
            self._call(row, constant)

    def _call(self, row: Intrinsic, constant: int) -> None:
        number = len(self.lines)
        target = ""
        values = []
        for place, operand in enumerate(row.operands):
            kind = operand.kind
            if isinstance(kind, Memory) and kind.written:
                dtype = _stored_type(row) if "scatter" in row.name else kind.dtype
                target = f"to_{dtype} + {self._room(row, dtype, 64)}"
                values.append(f"({_pointer(row, dtype)}*)({target})")
            else:
                values.append(_value(row, operand, 7 * number + 13 * place, constant))
        call = f"{row.name}({', '.join(values)})"
        self.lines.append(call + ";" if row.result is None else self._kept(row, row.result, call))

    def _room(self, row: Intrinsic, dtype: str, elements: int) -> int:
        start = self.sizes.get(dtype, 0)
        if elements == 64:  # at a multiple of a register's size
            start = -(-start // 64) * 64
        self.sizes[dtype] = start + elements
        self.places.setdefault(row.name, []).append((dtype, start, elements))
        return start

    def _kept(self, row: Intrinsic, result: Kind, call: str) -> str:
        if isinstance(result, Mask):
            return f"to_uint64[{self._room(row, 'uint64', 1)}] = {call};"
        if isinstance(result, Scalar):
            return f"to_{result.dtype}[{self._room(row, result.dtype, 1)}] = {call};"
        assert isinstance(result, Vector)
        width = int(re.sub(r"\D", "", result.register))
        start = self._room(row, result.dtype, width // BITS[result.dtype])
        name, pointee = _moving(result.register, "storeu")
        return f"{name}(({pointee}*)(to_{result.dtype} + {start}), {call});"


def _moving(register: str, verb: str) -> tuple[str, str]:
    """The intrinsic that loads or stores a register, and what its pointer points to."""
    width = int(re.sub(r"\D", "", register))
    prefix = "_mm" if width == 128 else f"_mm{width}"
    if register.endswith("i"):
        return f"{prefix}_{verb}_si{width}", register
    letter, pointee = ("pd", "double") if register.endswith("d") else ("ps", "float")
    return f"{prefix}_{verb}_{letter}", pointee


def _stored_type(row: Intrinsic) -> str:
    return next(one.kind.dtype for one in row.operands if one.name == "a")  # type: ignore[union-attr]


def _value(row: Intrinsic, operand: Operand, salt: int, constant: int) -> str:
    kind, offset = operand.kind, salt % (SIZE - MARGIN)
    if isinstance(kind, Immediate):
        if operand.name == "scale":
            return str(BITS[_element_of(row)] // 8)
        cast = "(_MM_PERM_ENUM)" if re.search(r"(512|maskz?)_shuffle_epi32", row.name) else ""
        return f"{cast}{constant}"
    if isinstance(kind, Mask):
        return f"(__mmask{max(8, kind.lanes)})in_uint64[{offset}]"
    if isinstance(kind, Scalar):
        return f"in_{kind.dtype}[{offset}]"
    if isinstance(kind, Memory):
        dtype = _element_of(row) if "gather" in row.name else kind.dtype
        start = 0 if kind.aligned > 1 else offset
        return f"({_pointer(row, dtype)}*)(in_{dtype} + {start})"
    name, pointee = _moving(kind.register, "loadu")
    array = "at" if operand.name == "idx" and "permute" not in row.name else "in"
    return f"{name}((const {pointee}*)({array}_{kind.dtype} + {offset}))"


def _element_of(row: Intrinsic) -> str:
    """The element type of a gather or scatter."""
    result = row.result
    return result.dtype if isinstance(result, Vector) else _stored_type(row)


def _pointer(row: Intrinsic, dtype: str) -> str:
    """What the pointer in the compiler's prototype points to, or what converts to that."""
    name = row.name
    if whole := re.search(r"(?:load|store|stream|lddqu)u?_si(128|256|512)$", name):
        return f"__m{whole[1]}i"
    if re.search(r"_loadl_|_storel_", name):
        return "__m128i"
    if part := re.search(r"_mm256_broadcast_p([sd])$", name):
        return "__m128d" if part[1] == "d" else "__m128"
    if re.search(r"_m?maskz?_", name):
        return "void"
    return {"int64": "long long"}.get(dtype, C_TYPES[dtype])


def _constants(row: Intrinsic) -> list[int]:
    if "roundscale" in row.name:
        return [0, 1, 2, 11, 0x20]
    if re.search(r"_round_|cvt_round|cvtps_ph", row.name):
        return [8, 9, 10, 11] if "ph" not in row.name else [0]
    if re.search(r"cmp_\w\w_mask|cmp_p[sd]$", row.name):
        return list(range(16)) if re.search(r"512_cmp_ps_mask|256_cmp_ps$", row.name) else [6, 13]
    if re.search(r"cmp_ep\w+_mask", row.name):
        return [1, 5]
    if re.search(r"extract|insert|permute2|_mm_\w*permute_pd", row.name):
        return [0, 1]
    if re.search(r"256_\w*shuffle_[fi]|shuffle_pd", row.name):
        return [1, 2]
    if re.search(r"(ll|rl|ra|rol|ror)i?_epi(\d+)", row.name):
        return [3, 15]
    if "alignr_epi8" in row.name:
        return [5, 20]
    if "kshift" in row.name:
        return [1, 5]
    if "alignr" in row.name or "blend" in row.name:
        return [1]
    return [0x1B, 0x4E]


def data(seed: int = 0) -> dict[str, np.ndarray]:
    """An array for each input: numbers of all sizes, and those at which types end."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for dtype in C_TYPES:
        if "float" in dtype:
            size = 10.0 ** rng.integers(-3, 3, SIZE)
            values = (rng.uniform(-1, 1, SIZE) * size).astype(dtype)
            special = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5, -2.5]
            special += [] if dtype == "float16" else [3e9, -3e9, 2147483648.0, 1e19, -1e19]
            places = rng.permutation(SIZE)[: 2 * len(special)]
            values[places] = np.array(special * 2).astype(dtype)
        else:
            about = np.iinfo(dtype)
            values = rng.integers(about.min, about.max, SIZE, dtype, endpoint=True)
            small = rng.permutation(SIZE)[: SIZE // 3]
            values[small] = (rng.integers(-70, 70, small.size)).astype(dtype)
            ends = rng.permutation(SIZE)[: SIZE // 6]
            values[ends] = rng.choice(np.array([about.min, about.max, 0, 1], dtype), ends.size)
        arrays[f"in_{dtype}"] = values
    for dtype in ("int32", "int64"):
        arrays[f"at_{dtype}"] = rng.permuted(np.tile(np.arange(SIZE // 16), 16)).astype(dtype)
    return arrays


def inputs(rows: Rows, seed: int = 0) -> dict[str, np.ndarray]:
    known = rows.kernel()
    arrays = data(seed)
    for tensor in known.tensors:
        if tensor.written:
            arrays[tensor.name] = np.zeros(tensor.shape or (1,), tensor.dtype)
    return arrays


def differing(
    rows: Rows,
    known: dict[str, Intrinsic],
    first: dict[str, np.ndarray],
    second: dict[str, np.ndarray],
    floating: float = 0.0,
) -> list[str]:
    """The rows whose results differ, by more than their error and a relative `floating` one."""
    wrong = []
    for name, places in rows.places.items():
        # Compilers sum lanes in an order of their own.
        allowed = max(known[name].error, floating, 1e-5 if known[name].fold else 0.0)
        for dtype, start, count in places:
            a, b = (one[f"to_{dtype}"][start : start + count] for one in (first, second))
            if "float" not in dtype:
                same = np.array_equal(a, b)
            else:
                with np.errstate(all="ignore"):
                    close = np.isclose(a, b, rtol=allowed, atol=0, equal_nan=True)
                same = bool(close.all())
            if not same:
                place = int(np.argmax(a != b))
                wrong.append(f"{name}: [{place}] {a[place]} {b[place]}")
                break
    return wrong


def comparable(rows: Iterable[Intrinsic]) -> list[Intrinsic]:
    return [row for row in rows if row.native and not UNDEFINED.search(row.name)]


def distinct(rows: Iterable[Intrinsic]) -> list[Intrinsic]:
    """The first row of each meaning."""
    found: dict[tuple[str, ...], Intrinsic] = {}
    for row in rows:
        found.setdefault((row.meaning, row.target, row.where, row.fold), row)
    return list(found.values())
