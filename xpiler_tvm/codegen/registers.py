"""Vector expressions as AVX-512 intrinsics, one register at a time.

`VectorPrinter` takes over where the type of an expression has lanes; everything below it that has
none is printed as by any C printer. What is not listed raises `EmitError`, and the loop that it
came from stays a loop. The instructions' meanings are stated in `xpiler_tvm.dialects`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm.errors import EmitError

from .c_family import CDialect, CPrinter, Text

REGISTER_BITS = 512

_SUFFIX: Mapping[str, str] = {
    "float32": "ps",
    "float64": "pd",
    "int32": "epi32",
    "uint32": "epu32",
    "int64": "epi64",
}
_ARITHMETIC: Mapping[str, Mapping[str, str]] = {
    "Add": {"ps": "add_ps", "pd": "add_pd", "epi32": "add_epi32", "epi64": "add_epi64"},
    "Sub": {"ps": "sub_ps", "pd": "sub_pd", "epi32": "sub_epi32", "epi64": "sub_epi64"},
    "Mul": {"ps": "mul_ps", "pd": "mul_pd", "epi32": "mullo_epi32", "epi64": "mullo_epi64"},
    "Div": {"ps": "div_ps", "pd": "div_pd"},
    "Min": {"ps": "min_ps", "pd": "min_pd", "epi32": "min_epi32", "epi64": "min_epi64"},
    "Max": {"ps": "max_ps", "pd": "max_pd", "epi32": "max_epi32", "epi64": "max_epi64"},
    "BitwiseAnd": {"epi32": "and_epi32", "epi64": "and_epi64"},
    "BitwiseOr": {"epi32": "or_epi32", "epi64": "or_epi64"},
    "BitwiseXor": {"epi32": "xor_epi32", "epi64": "xor_epi64"},
    "LShift": {"epi32": "sllv_epi32", "epi64": "sllv_epi64"},
    "RShift": {"epi32": "srav_epi32", "epi64": "srav_epi64"},
}
_COMPARISONS: Mapping[str, tuple[str, str]] = {
    "LT": ("_CMP_LT_OQ", "cmplt"),
    "LE": ("_CMP_LE_OQ", "cmple"),
    "GT": ("_CMP_GT_OQ", "cmpgt"),
    "GE": ("_CMP_GE_OQ", "cmpge"),
    "EQ": ("_CMP_EQ_OQ", "cmpeq"),
    "NE": ("_CMP_NEQ_UQ", "cmpneq"),
}
"""By operator: the predicate for floats, the name for integers."""

_CASTS: Mapping[tuple[str, str], str] = {
    ("int8", "int32"): "cvtepi8_epi32",
    ("uint8", "int32"): "cvtepu8_epi32",
    ("int16", "int32"): "cvtepi16_epi32",
    ("uint16", "int32"): "cvtepu16_epi32",
    ("int32", "float32"): "cvtepi32_ps",
    ("float32", "int32"): "cvttps_epi32",
    ("int32", "int8"): "cvtepi32_epi8",
    ("int32", "int16"): "cvtepi32_epi16",
    ("float32", "float64"): "cvtps_pd",
    ("float64", "float32"): "cvtpd_ps",
    ("int32", "int64"): "cvtepi32_epi64",
    ("int32", "float64"): "cvtepi32_pd",
}
_FUNCTIONS: Mapping[str, str] = {"sqrt": "sqrt", "fabs": "abs"}
_ROUNDINGS: Mapping[str, str] = {
    "floor": "_MM_FROUND_TO_NEG_INF",
    "ceil": "_MM_FROUND_TO_POS_INF",
    "trunc": "_MM_FROUND_TO_ZERO",
    "nearbyint": "_MM_FROUND_TO_NEAREST_INT",
}
INSTRUCTIONS: Mapping[str, str] = {
    "llvm.x86.avx512.vpdpbusd.512": "_mm512_dpbusd_epi32",
    "llvm.x86.avx512.vpdpwssd.512": "_mm512_dpwssd_epi32",
}
"""What schedules put in place of loops, by LLVM's name."""

_PREFIX = {512: "_mm512", 256: "_mm256", 128: "_mm"}


def lanes_of(node: tvm.ir.Expr) -> tuple[str, int]:
    """Element type and number of lanes of an expression."""
    return _parted(str(node.ty.dtype))


def _parted(dtype: str) -> tuple[str, int]:
    element, _, lanes = dtype.rpartition("x")
    return (element, int(lanes)) if lanes.isdigit() and element else (dtype, 1)


def bits_of(dtype: str, lanes: int) -> int:
    return tvm.DataType(dtype).bits * lanes


@dataclass(frozen=True)
class RegisterDialect(CDialect):
    """A language of the family in which registers are types."""

    def type(self, dtype: str) -> str:
        element, lanes = _parted(dtype)
        bits = bits_of(element, lanes)
        if lanes == 1 or bits not in _PREFIX:
            return super().type(dtype)
        letter = {"float32": "", "float64": "d"}.get(element, "i")
        return f"__m{bits}{letter}"


class VectorPrinter(CPrinter):
    """A C printer that has registers."""

    # --- loops and stores -------------------------------------------------------------------

    def vectorised(self, loop: tirx.For) -> bool:
        """Prints a vectorised loop as intrinsics; `False`, and nothing, where it has no such form.

        Longer loops than a register holds are written out, register by register.
        """
        lanes = _register_lanes(loop)
        if not lanes:
            return False
        printed, taken, names = len(self.lines), set(self.taken), dict(self.names)
        try:
            for start in range(0, int(loop.extent), lanes):
                self.stmt(_piece(loop, start, lanes))
        except EmitError:
            del self.lines[printed:]
            self.taken, self.names = taken, names
            return False
        return True

    def stmt_BufferStore(self, node: tirx.BufferStore) -> None:
        dtype, lanes = lanes_of(node.value)
        if lanes == 1 or str(node.buffer.dtype) == str(node.value.ty.dtype):
            super().stmt_BufferStore(node)
            return
        value = self.expr(node.value).code
        address = self.address(node.buffer, node.indices)
        bits = bits_of(dtype, lanes)
        if dtype in ("float32", "float64"):
            self.line(f"{_prefix(bits)}_storeu_{_SUFFIX[dtype]}({address}, {value});")
        elif bits == REGISTER_BITS:
            self.line(f"_mm512_storeu_si512({address}, {value});")
        else:
            self.line(f"{_prefix(bits)}_storeu_si{bits}((__m{bits}i*){address}, {value});")

    def address(self, buffer: tirx.Buffer, indices: Sequence[tvm.ir.Expr]) -> str:
        """Of the first of neighbours in memory."""
        index = self.analyzer.simplify(indices[0])
        if isinstance(index, tirx.Ramp):
            if not (isinstance(index.stride, tirx.IntImm) and int(index.stride) == 1):
                self.refuse(buffer, "lanes that lie apart in memory have no form")
            index = index.base
        elif lanes_of(index)[1] != 1:
            self.refuse(buffer, "lanes at computed places have no form")
        return f"&{self.element(buffer, [index])}"

    # --- expressions ------------------------------------------------------------------------

    def expr(self, node: tvm.ir.Expr) -> Text:
        dtype, lanes = lanes_of(node)
        if lanes == 1:
            return super().expr(node)
        kind = type(node).__name__
        if kind == "TensorLoad":
            return self._load(node, dtype, bits_of(dtype, lanes))
        if kind == "Broadcast":
            return self._broadcast(node, dtype, bits_of(dtype, lanes))
        if kind == "Cast":
            return self._convert(node, dtype, lanes)
        if kind == "Call":
            return self._vector_call(node, dtype, lanes)
        if dtype == "bool":
            return self._mask(node, kind)
        if bits_of(dtype, lanes) != REGISTER_BITS or dtype not in _SUFFIX:
            self.refuse(node)
        if kind == "Select":
            return self._intrinsic(
                f"mask_blend_{_SUFFIX[dtype]}", [node.condition, node.false_value, node.true_value]
            )
        return self._arithmetic(node, kind, _SUFFIX[dtype])

    def _arithmetic(self, node: tvm.ir.Expr, kind: str, suffix: str) -> Text:
        if kind in ("Add", "Sub") and suffix in ("ps", "pd"):
            for product, other in ((node.a, node.b), (node.b, node.a)):
                if isinstance(product, tirx.Mul) and (kind == "Add" or product is node.b):
                    fused = "fmadd" if kind == "Add" else "fnmadd"
                    return self._intrinsic(f"{fused}_{suffix}", [product.a, product.b, other])
        name = _ARITHMETIC.get(kind, {}).get(suffix)
        if name is None:
            self.refuse(node)
        return self._intrinsic(name, [node.a, node.b])

    def _intrinsic(self, name: str, operands: Iterable[tvm.ir.Expr]) -> Text:
        return Text(f"_mm512_{name}({', '.join(self.expr(one).code for one in operands)})")

    def _load(self, node: tvm.ir.TensorLoad, dtype: str, bits: int) -> Text:
        if str(node.source.dtype) == str(node.ty.dtype):  # an array of registers, or one of them
            return Text(self.element(node.source, node.indices))
        address = self.address(node.source, node.indices)
        if dtype in ("float32", "float64"):
            return Text(f"{_prefix(bits)}_loadu_{_SUFFIX[dtype]}({address})")
        if dtype == "bool":
            self.refuse(node)
        if bits == REGISTER_BITS:
            return Text(f"_mm512_loadu_si512({address})")
        return Text(f"{_prefix(bits)}_loadu_si{bits}((const __m{bits}i*){address})")

    def _broadcast(self, node: tirx.Broadcast, dtype: str, bits: int) -> Text:
        suffix = {"uint32": "epi32"}.get(dtype, _SUFFIX.get(dtype, ""))
        if not suffix or bits not in _PREFIX:
            self.refuse(node)
        return Text(f"{_prefix(bits)}_set1_{suffix}({self.expr(node.value).code})")

    def _convert(self, node: tirx.Cast, dtype: str, lanes: int) -> Text:
        source, _ = lanes_of(node.value)
        if REGISTER_BITS not in (bits_of(source, lanes), bits_of(dtype, lanes)):
            self.refuse(node)
        if (source, dtype) in _CASTS:
            return self._intrinsic(_CASTS[source, dtype], [node.value])
        # Small integers become floats by way of int32.
        if dtype == "float32" and (source, "int32") in _CASTS:
            return self.expr(tirx.Cast(f"float32x{lanes}", tirx.Cast(f"int32x{lanes}", node.value)))
        self.refuse(node)

    def _mask(self, node: tvm.ir.Expr, kind: str) -> Text:
        """Conditions of lanes, as bits."""
        if kind in ("And", "Or"):
            sign = "&" if kind == "And" else "|"
            left, right = self.expr(node.a).code, self.expr(node.b).code
            return Text(f"(__mmask{lanes_of(node)[1]})({left} {sign} {right})")
        if kind == "Not":
            return Text(f"(__mmask{lanes_of(node)[1]})(~{self.expr(node.a).code})")
        if kind not in _COMPARISONS:
            self.refuse(node)
        dtype, lanes = lanes_of(node.a)
        if dtype not in _SUFFIX or bits_of(dtype, lanes) != REGISTER_BITS:
            self.refuse(node)
        predicate, name = _COMPARISONS[kind]
        left, right = self.expr(node.a).code, self.expr(node.b).code
        if _SUFFIX[dtype] in ("ps", "pd"):
            return Text(f"_mm512_cmp_{_SUFFIX[dtype]}_mask({left}, {right}, {predicate})")
        return Text(f"_mm512_{name}_{_SUFFIX[dtype]}_mask({left}, {right})")

    def _vector_call(self, node: tvm.ir.Call, dtype: str, lanes: int) -> Text:
        name = node.op.name.rpartition(".")[2]
        whole = bits_of(dtype, lanes) == REGISTER_BITS
        if name == "call_llvm_pure_intrin":
            known = tvm.target.codegen.llvm_get_intrinsic_name(int(node.args[0]))
            if known not in INSTRUCTIONS:
                self.refuse(node, f"no intrinsic for {known}")
            operands = ", ".join(self.expr(one).code for one in node.args[1:])
            return Text(f"{INSTRUCTIONS[known]}({operands})")
        if name == "reinterpret" and whole:
            return self._as_bits(node.args[0], dtype)
        suffix = _SUFFIX.get(dtype, "")
        if whole and suffix in ("ps", "pd"):
            if name in _FUNCTIONS:
                return self._intrinsic(f"{_FUNCTIONS[name]}_{suffix}", node.args)
            if name in _ROUNDINGS:
                value = self.expr(node.args[0]).code
                how = f"{_ROUNDINGS[name]} | _MM_FROUND_NO_EXC"
                return Text(f"_mm512_roundscale_{suffix}({value}, {how})")
        self.refuse(node, f"no vector function for {node.op.name}")

    def _as_bits(self, node: tvm.ir.Expr, dtype: str) -> Text:
        """A register as lanes of another type: all integers share one type of C."""
        source, lanes = lanes_of(node)
        if lanes == 1 or bits_of(source, lanes) != REGISTER_BITS:
            self.refuse(node)
        names = {"float32": "ps", "float64": "pd"}
        before, after = names.get(source, "si512"), names.get(dtype, "si512")
        value = self.expr(node).code
        return Text(value if before == after else f"_mm512_cast{before}_{after}({value})")


def _prefix(bits: int) -> str:
    if bits not in _PREFIX:
        raise EmitError("XP4001", f"C: no register has {bits} bits")
    return _PREFIX[bits]


def _register_lanes(loop: tirx.For) -> int:
    """How many steps of a loop one register takes; 0 where the loop is not made of whole ones."""
    widest = [32]

    def note(node: tvm.ir.Expr) -> None:
        dtype = str(node.ty.dtype)
        if dtype[-2:] == "64" and dtype != "int64":
            widest.append(64)

    tvm_ffi.structural_walk(loop.body, [((tvm.ir.TensorLoad, tirx.Cast), note)])
    lanes = REGISTER_BITS // max(widest)
    known = isinstance(loop.extent, tirx.IntImm) and isinstance(loop.min, tirx.IntImm)
    return lanes if known and int(loop.extent) % lanes == 0 else 0


def _piece(loop: tirx.For, start: int, lanes: int) -> tirx.Stmt:
    """Some steps of a vectorised loop as vector expressions."""
    dtype = str(loop.loop_var.ty.dtype)
    lane = tirx.Var(str(loop.loop_var.name), dtype)
    here = lane + tirx.IntImm(dtype, start + int(loop.min))
    body = tvm_ffi.structural_map(
        loop.body, (tirx.Var, lambda var: here if var.same_as(loop.loop_var) else var)
    )
    inner = tirx.For(lane, 0, lanes, tirx.ForKind.VECTORIZED, body)
    wrapped = tvm.IRModule({"main": tirx.PrimFunc([], inner)})
    return tirx.transform.VectorizeLoop()(wrapped)["main"].body
