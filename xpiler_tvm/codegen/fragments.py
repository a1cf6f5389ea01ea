"""Matrices in the registers of a warp: TVM's calls for fragments as wmma (CUDA) or mfma (HIP).

    tvm_load_matrix_sync(A, 16, 16, 16, i, &x[o], 40, "row_major")
        ->  wmma::load_matrix_sync(A[i], &x[o], 40);                              CUDA
        ->  A[i] = *(const half4*)&x[o + tx % 16 * 40 + tx / 16 * 4];             HIP

What lane holds what of an mfma's operands stands in `dialects.matrix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm.dialects.matrix import MFMA, Mfma

_UNROLL = "#pragma unroll"

A, B, TOTAL = "wmma.matrix_a", "wmma.matrix_b", "wmma.accumulator"


@dataclass(frozen=True)
class Fragment:
    """What the calls say of an array of fragments."""

    scope: str
    dtype: str
    m: int
    n: int
    k: int
    layout: str = ""

    @property
    def elements(self) -> int:
        rows, columns = {A: (self.m, self.k), B: (self.k, self.n), TOTAL: (self.m, self.n)}[
            self.scope
        ]
        return rows * columns


class Printer(Protocol):
    """What a form of fragments needs of the printer of the whole kernel."""

    def thread(self) -> str: ...
    def type_of(self, dtype: str) -> str: ...
    def define(self, name: str, text: str) -> None: ...


class FragmentForm(Protocol):
    """How a language writes fragments: statements, one text a line."""

    def declare(self, out: Printer, name: str, fragment: Fragment, count: int) -> list[str]: ...
    def fill(self, out: Printer, place: str, fragment: Fragment, value: str) -> list[str]: ...
    def load(
        self, out: Printer, place: str, fragment: Fragment, source: tuple[str, str, str]
    ) -> list[str]: ...
    def store(
        self, out: Printer, place: str, fragment: Fragment, target: tuple[str, str, str]
    ) -> list[str]: ...
    def multiply(
        self, out: Printer, places: tuple[str, str, str], kinds: tuple[Fragment, Fragment, Fragment]
    ) -> list[str]:
        """Of the sum and both operands, the places and what they are."""


def fragments_in(body: tirx.Stmt) -> Mapping[tvm.ir.Var, Fragment]:
    """The arrays of fragments of a kernel, from the calls that fill them."""
    found: dict[tvm.ir.Var, Fragment] = {}

    def note(call: tvm.ir.Call) -> None:
        name = getattr(call.op, "name", "")
        if name not in ("tirx.tvm_load_matrix_sync", "tirx.tvm_fill_fragment"):
            return
        buffer = call.args[0].args[0]
        m, n, k = (int(size) for size in call.args[1:4])
        layout = str(call.args[7].value) if name.endswith("load_matrix_sync") else ""
        found[buffer] = Fragment(str(buffer.scope()), str(buffer.dtype), m, n, k, layout)

    tvm_ffi.structural_walk(body, [(tvm.ir.Call, note)])
    return found


def arrays_of_fragments(body: tirx.Stmt) -> set[tvm.ir.Var]:
    """The arrays in memory that fragments are read from and written to."""
    found: set[tvm.ir.Var] = set()

    def note(call: tvm.ir.Call) -> None:
        name = getattr(call.op, "name", "")
        if name in ("tirx.tvm_load_matrix_sync", "tirx.tvm_store_matrix_sync"):
            found.add(call.args[5].args[1].args[0])

    tvm_ffi.structural_walk(body, [(tvm.ir.Call, note)])
    return found


class WmmaForm:
    """CUDA's `nvcuda::wmma`."""

    def declare(self, out: Printer, name: str, fragment: Fragment, count: int) -> list[str]:
        sizes = f"{fragment.m}, {fragment.n}, {fragment.k}"
        kind = fragment.scope.removeprefix("wmma.")
        element = _WMMA_TYPES.get(fragment.dtype) or out.type_of(fragment.dtype)
        layout = f", wmma::{fragment.layout}" if fragment.layout else ""
        return [f"wmma::fragment<wmma::{kind}, {sizes}, {element}{layout}> {name}[{count}];"]

    def fill(self, out: Printer, place: str, fragment: Fragment, value: str) -> list[str]:
        return [f"wmma::fill_fragment({place}, {value});"]

    def load(
        self, out: Printer, place: str, fragment: Fragment, source: tuple[str, str, str]
    ) -> list[str]:
        array, offset, stride = source
        return [f"wmma::load_matrix_sync({place}, {_address(fragment, array, offset)}, {stride});"]

    def store(
        self, out: Printer, place: str, fragment: Fragment, target: tuple[str, str, str]
    ) -> list[str]:
        array, offset, stride = target
        return [
            f"wmma::store_matrix_sync({_address(fragment, array, offset)}, {place}, {stride}, "
            "wmma::mem_row_major);"
        ]

    def multiply(
        self, out: Printer, places: tuple[str, str, str], kinds: tuple[Fragment, Fragment, Fragment]
    ) -> list[str]:
        c, a, b = places
        return [f"wmma::mma_sync({c}, {a}, {b}, {c});"]


_WMMA_TYPES = {"int8": "signed char", "uint8": "unsigned char"}
"""wmma is defined for these types and not for `char`, which `int8_t` may be."""


def _address(fragment: Fragment, array: str, offset: str) -> str:
    ctype = _WMMA_TYPES.get(fragment.dtype)
    cast = f"({ctype}*)" if ctype else ""
    return f"{cast}&{array}[{offset}]"


@dataclass(frozen=True)
class MfmaForm:
    """AMD's matrix instructions through Clang's builtins, for one architecture.

    A fragment of an operand is what a lane holds of it, `depth` neighbours in k, which must be
    neighbours in memory too; a fragment of the sum is as many rows of one column.
    """

    arch: str

    def instruction(self, m: int, n: int, k: int, operand: str) -> Mfma | None:
        """The instruction of these sizes for operands of a dtype."""
        element = _MFMA_ELEMENTS.get(operand)
        return next(
            (
                each
                for each in MFMA
                if (each.m, each.n, each.k, each.blocks) == (m, n, k, 1)
                and each.element == element
                and self.arch in each.archs
            ),
            None,
        )

    def _of(self, fragment: Fragment, operand: str) -> Mfma:
        found = self.instruction(fragment.m, fragment.n, fragment.k, operand)
        if found is None:
            sizes = f"{fragment.m} x {fragment.n} x {fragment.k}"
            raise ValueError(f"{self.arch} has no mfma of {sizes} for {operand}")
        return found

    def _type(self, out: Printer, fragment: Fragment) -> str:
        """The C type of what a lane holds, which the file defines."""
        if fragment.scope == TOTAL:
            base, lanes = _MFMA_TOTALS[fragment.dtype], fragment.m * fragment.n // 64
        else:
            base, lanes = _mfma_operand(self._of(fragment, fragment.dtype))
        if lanes == 1:
            return base
        name = f"{base.lstrip('_').replace(' ', '').lower()}_x{lanes}"
        out.define(name, f"typedef {base} {name} __attribute__((ext_vector_type({lanes})));\n")
        return name

    def declare(self, out: Printer, name: str, fragment: Fragment, count: int) -> list[str]:
        return [f"{self._type(out, fragment)} {name}[{count}];"]

    def fill(self, out: Printer, place: str, fragment: Fragment, value: str) -> list[str]:
        registers = fragment.m * fragment.n // 64
        return [_UNROLL, f"for (int r = 0; r < {registers}; ++r) {place}[r] = {value};"]

    def load(
        self, out: Printer, place: str, fragment: Fragment, source: tuple[str, str, str]
    ) -> list[str]:
        along_k = {A: "row_major", B: "col_major"}[fragment.scope]
        if fragment.layout != along_k:
            raise ValueError("an operand of an mfma does not lie along the depth")
        array, offset, stride = source
        mfma, thread = self._of(fragment, fragment.dtype), out.thread()
        depth = f" * {mfma.depth}" if mfma.depth > 1 else ""
        index = f"{offset} + {thread} % {mfma.m} * {stride} + {thread} / {mfma.m}{depth}"
        ctype = self._type(out, fragment)
        return [f"{place} = *reinterpret_cast<const {ctype}*>(&{array}[{index}]);"]

    def store(
        self, out: Printer, place: str, fragment: Fragment, target: tuple[str, str, str]
    ) -> list[str]:
        array, offset, stride = target
        thread, n = out.thread(), fragment.n
        registers = fragment.m * n // 64
        index = f"{offset} + ({thread} / {n} * 4 + r) * {stride} + {thread} % {n}"
        return [_UNROLL, f"for (int r = 0; r < {registers}; ++r) {array}[{index}] = {place}[r];"]

    def multiply(
        self, out: Printer, places: tuple[str, str, str], kinds: tuple[Fragment, Fragment, Fragment]
    ) -> list[str]:
        (c, a, b), (_, left, _) = places, kinds
        mfma = self._of(left, left.dtype)
        return [f"{c} = {mfma.builtin}({a}, {b}, {c}, 0, 0, 0);"]


_MFMA_ELEMENTS = {
    "float16": "half",
    "bfloat16": "bfloat16",
    "float32": "float",
    "int8": "signed char",
}
_MFMA_TOTALS = {"float32": "float", "int32": "int"}
_MFMA_OPERANDS = {
    "XpHalf4": ("_Float16", 4),
    "XpShort2": ("short", 2),
    "XpShort4": ("short", 4),
}


def _mfma_operand(mfma: Mfma) -> tuple[str, int]:
    """The base type of what a lane holds of an operand, and how many of it."""
    return _MFMA_OPERANDS.get(mfma.operand, (mfma.operand, 1))
