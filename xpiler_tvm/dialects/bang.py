"""BANG C on Cambricon MLUs: memories, jobs and intrinsics, stated once.

The emulator's header is generated from these tables, instruction selection in
`codegen_bang` matches against them, and the BANG frontend reads calls through them.

Sources: Cambricon's published headers of the 3xx toolkit, mlu-ops and its developer's guide.
No card was available; where a source gives no figure the row says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

KIB = 1024

STACK_RESERVE = 128 * KIB
"""Bytes of NRAM (and of SRAM) left to the compiler: the stack lives there by default."""

ALIGN = 128
"""Bytes one vector instruction handles in a cycle; buffers start and end on this boundary."""

WRAM_ALIGN = 32
"""Bytes to which an address in WRAM is aligned."""

LANES = 64
"""Banks of WRAM: output channel `c` of a convolution or matmul lives in bank `c % LANES`."""

CORES_PER_CLUSTER = 4
"""IPU cores of a cluster; its fifth core, the MPU, only moves data."""

MPU_CORE_ID = 0x80
"""`coreId` of the memory core."""

MAX_SEGMENTS = 65536
"""Segments of one strided copy; `__memcpy` takes their number minus one."""


@dataclass(frozen=True)
class Arch:
    """Sizes in bytes per core (`sram`: per cluster). `macro` is `__BANG_ARCH__`."""

    name: str
    macro: int
    nram: int
    wram: int
    sram: int
    clusters: int
    vector_div: bool

    @property
    def nram_usable(self) -> int:
        """NRAM that a kernel may declare, beside the stack."""
        return self.nram - STACK_RESERVE

    @property
    def sram_usable(self) -> int:
        return self.sram - STACK_RESERVE

    @property
    def cores(self) -> int:
        return self.clusters * CORES_PER_CLUSTER


ARCHS: Mapping[str, Arch] = MappingProxyType(
    {
        # MLU370-X4: 8 clusters. The quotient of two vectors needs a scratch vector there.
        "mtp_372": Arch("mtp_372", 372, 768 * KIB, 1024 * KIB, 4096 * KIB, 8, False),
        # MLU590: 12 clusters on the H8 board.
        "mtp_592": Arch("mtp_592", 592, 512 * KIB, 512 * KIB, 2048 * KIB, 12, True),
    }
)
DEFAULT_ARCH = "mtp_592"

Mode = Literal["strict", "lenient"]
"""How BANG C is read: by the hardware's rules, or as public kernels informally mean it."""


@dataclass(frozen=True)
class TaskKind:
    """How tasks are put on cores. `tasks.x` must be a multiple of `multiple`."""

    name: str
    function_type: str
    clusters: int

    @property
    def multiple(self) -> int:
        return max(1, self.clusters * CORES_PER_CLUSTER)

    @property
    def runs_on_mpu(self) -> bool:
        """Under a union the kernel also runs on each cluster's memory core."""
        return self.clusters > 0


KINDS: Mapping[str, TaskKind] = MappingProxyType(
    {
        "block": TaskKind("block", "cnrtFuncTypeBlock", 0),
        "union1": TaskKind("union1", "cnrtFuncTypeUnion1", 1),
        "union2": TaskKind("union2", "cnrtFuncTypeUnion2", 2),
        "union4": TaskKind("union4", "cnrtFuncTypeUnion4", 4),
    }
)

DIRECTIONS: tuple[str, ...] = (
    "GDRAM2NRAM",
    "NRAM2GDRAM",
    "LDRAM2NRAM",
    "NRAM2LDRAM",
    "GDRAM2WRAM",
    "WRAM2GDRAM",
    "LDRAM2WRAM",
    "WRAM2LDRAM",
    "NRAM2NRAM",
    "NRAM2WRAM",
    "WRAM2NRAM",
    "GDRAM2SRAM",
    "SRAM2GDRAM",
    "LDRAM2SRAM",
    "SRAM2LDRAM",
    "SRAM2NRAM",
    "NRAM2SRAM",
    "SRAM2WRAM",
    "WRAM2SRAM",
    "GDRAM2GDRAM",
    "GDRAM2LDRAM",
    "LDRAM2GDRAM",
    "LDRAM2LDRAM",
    "SRAM2SRAM",
)
"""Directions of `__memcpy`, in the order of the vendor's enumeration (the first is 0)."""

Operand = Literal["vector", "scalar", "cycle"]

FLOAT = ("float32",)
FLOATS = ("float16", "bfloat16", "float32")
HALF_FLOAT = ("float16", "float32")
WORDS = ("int16", "uint16", "int32", "uint32")
BITS = ("int8", "uint8", *WORDS)


@dataclass(frozen=True)
class Elementwise:
    """One row: `name(dst, operands…, scratch…, n[, period])`, `dst[i] = meaning` for `i < n`.

    Attributes
    ----------
    operands : what each source is. A `vector` has `n` elements, a `scalar` is one value of the
        vectors' type, a `cycle` has `period` elements and is read at `i % period`;
        `period` is then the last argument and divides `n`.
    dtypes : element types of all operands and of the result.
    meaning : a C expression of the operands, named `a`, `b`, `c` in order. Half operands are
        computed in float and rounded once.
    scratch : how many vectors of `n` elements are clobbered.
    in_place : whether `dst` may be one of the sources (exactly; never a partial overlap).
    error : bound of the relative error in float32 as published or measured; 0 where the result
        is that of the C expression, `None` where no figure is public and the vendor calls
        the function accurate.
    domain : for approximations, the interval of `a` in which `error` holds.
    archs : where it exists; empty for all of `ARCHS`.
    selector : a first argument that picks the operation (`__bang_fusion`).
    """

    name: str
    operands: tuple[Operand, ...]
    dtypes: tuple[str, ...]
    meaning: str
    scratch: int = 0
    in_place: bool = True
    error: float | None = 0.0
    domain: tuple[float, float] | None = None
    archs: tuple[str, ...] = ()
    selector: str = ""

    @property
    def accurate(self) -> bool:
        """Good enough to stand for the C function: a few units in the last place."""
        return self.domain is None and (self.error is None or self.error <= 1e-6)

    def on(self, arch: str) -> bool:
        return not self.archs or arch in self.archs


def _binary(name: str, meaning: str, dtypes: tuple[str, ...]) -> tuple[Elementwise, ...]:
    """`name` on two vectors and `name_scalar` on a vector and a scalar."""
    return (
        Elementwise(f"__bang_{name}", ("vector", "vector"), dtypes, meaning),
        Elementwise(f"__bang_{name}_scalar", ("vector", "scalar"), dtypes, meaning),
    )


def _unary(
    name: str,
    meaning: str,
    dtypes: tuple[str, ...] = HALF_FLOAT,
    *,
    error: float | None = 0.0,
    domain: tuple[float, float] | None = None,
) -> Elementwise:
    return Elementwise(f"__bang_{name}", ("vector",), dtypes, meaning, error=error, domain=domain)


_ARITHMETIC: tuple[Elementwise, ...] = (
    *_binary("add", "a + b", (*FLOATS, "int16", "int32")),
    *_binary("sub", "a - b", (*FLOATS, "int16", "int32")),
    *_binary("mul", "a * b", (*FLOATS, "int16", "int32")),
    # The old names of the scalar forms; still accepted, never emitted.
    Elementwise("__bang_add_const", ("vector", "scalar"), HALF_FLOAT, "a + b"),
    Elementwise("__bang_sub_const", ("vector", "scalar"), HALF_FLOAT, "a - b"),
    Elementwise("__bang_mul_const", ("vector", "scalar"), HALF_FLOAT, "a * b"),
    Elementwise(
        "__bang_div", ("vector", "vector"), (*HALF_FLOAT, *WORDS), "a / b", archs=("mtp_592",)
    ),
    Elementwise(
        "__bang_div", ("vector", "scalar"), (*HALF_FLOAT, *WORDS), "a / b", archs=("mtp_592",)
    ),
    # All four vectors distinct; the count in bytes a multiple of ALIGN.
    Elementwise(
        "__bang_div",
        ("vector", "vector"),
        HALF_FLOAT,
        "a / b",
        scratch=1,
        in_place=False,
        error=None,
    ),
    Elementwise("__bang_rem", ("vector", "vector"), WORDS, "a % b", archs=("mtp_592",)),
    Elementwise("__bang_maxequal", ("vector", "vector"), HALF_FLOAT, "a >= b ? a : b"),
    Elementwise("__bang_minequal", ("vector", "vector"), HALF_FLOAT, "a <= b ? a : b"),
    Elementwise("__bang_maxeq_scalar", ("vector", "scalar"), HALF_FLOAT, "a >= b ? a : b"),
    Elementwise("__bang_mineq_scalar", ("vector", "scalar"), HALF_FLOAT, "a <= b ? a : b"),
    # These two differ from the above at NaN: the other operand wins.
    Elementwise("__bang_maximum", ("vector", "vector"), HALF_FLOAT, "fmaxf(a, b)"),
    Elementwise("__bang_minimum", ("vector", "vector"), HALF_FLOAT, "fminf(a, b)"),
    Elementwise("__bang_nan_maximum", ("vector", "vector"), HALF_FLOAT, "a != a || a > b ? a : b"),
    Elementwise("__bang_nan_minimum", ("vector", "vector"), HALF_FLOAT, "a != a || a < b ? a : b"),
    _unary("square", "a * a"),
    _unary("abs", "fabsf(a)"),
    _unary("active_abs", "fabsf(a)"),
    _unary("neg", "-a"),
    _unary("floor", "floorf(a)"),
    # Half away from zero; the vendor's page says "nearest" only.
    _unary("round", "roundf(a)"),
    _unary("relu", "a > 0 ? a : 0", FLOATS),
    Elementwise("__bang_relun", ("vector", "scalar"), FLOATS, "a < 0 ? 0 : a > b ? b : a"),
    _unary("active_relu", "a > 0 ? a : 0"),
    # +1 at zero too, unlike the sign of most frameworks.
    _unary("active_sign", "a >= 0 ? 1 : -1"),
)

_MATH: tuple[Elementwise, ...] = (
    # Accurate functions: float32 only; the vendor publishes no table of their errors.
    _unary("sin", "sinf(a)", FLOAT, error=None),
    _unary("cos", "cosf(a)", FLOAT, error=None),
    _unary("sqrt", "sqrtf(a)", FLOAT, error=None),
    _unary("rsqrt", "1.0f / sqrtf(a)", FLOAT, error=None),
    _unary("recip", "1.0f / a", FLOAT, error=None),
    _unary("pow2", "exp2f(a)", FLOAT, error=None),
    # A trap: the binary logarithm under the natural one's name. Newer toolkits say log2.
    _unary("log", "log2f(a)", FLOAT, error=None),
    _unary("log2", "log2f(a)", FLOAT, error=None),
    # Table look-ups of the activation unit, with the ranges their headers state.
    _unary("active_exp", "expf(a)", error=1e-2, domain=(-7.75, 10.25)),
    _unary("active_exphp", "expf(a)", error=3e-3, domain=(-15.0, 16.0)),
    _unary("active_exp_less_0", "expf(a)", error=3e-3, domain=(-7.75, 0.0)),
    _unary("active_recip", "1.0f / a", error=3e-3, domain=(0.00391, 63487.0)),
    _unary("active_reciphp", "1.0f / a", error=4e-4, domain=(0.00391, 2e6)),
    _unary("active_recip_greater_1", "1.0f / a", error=3e-3, domain=(1.0, 63487.0)),
    _unary("active_sqrt", "sqrtf(a)", error=1e-2, domain=(0.0, 63487.0)),
    _unary("active_sqrthp", "sqrtf(a)", error=4.6e-5, domain=(0.0, 63487.0)),
    _unary("active_rsqrt", "1.0f / sqrtf(a)", error=1e-2, domain=(0.00391, 63487.0)),
    _unary("active_rsqrthp", "1.0f / sqrtf(a)", error=8e-6, domain=(0.00391, 63487.0)),
    _unary("active_log", "logf(a)", error=1e-2, domain=(6.1e-5, 63484.0)),
    _unary("active_loghp", "logf(a)", error=6e-6, domain=(6.1e-5, 63484.0)),
    _unary("active_sin", "sinf(a)", error=1e-2, domain=(-6.2832, 6.2832)),
    _unary("active_cos", "cosf(a)", error=1e-2, domain=(-6.2832, 6.2832)),
    _unary("active_tanh", "tanhf(a)", error=1e-2, domain=(-7.75, 7.75)),
    _unary("active_sigmoid", "1.0f / (1.0f + expf(-a))", error=1e-2, domain=(-7.75, 7.75)),
    # Whether these follow the erf or the tanh form is not stated.
    _unary(
        "active_gelu", "0.5f * a * (1.0f + erff(a * 0.70710678f))", error=3e-3,
        domain=(-3.875, 63487.0),
    ),
    _unary(
        "active_gelup", "0.5f * a * (1.0f + erff(a * 0.70710678f))", error=4.1e-3,
        domain=(-3.875, 63487.0),
    ),
    _unary("active_pow2", "exp2f(a)", domain=(-31.0, 31.0)),
    # No vendor header has it; public kernels use it on half.
    _unary("sigmoid", "1.0f / (1.0f + expf(-a))", error=1e-2, domain=(-7.75, 7.75)),
    *(
        Elementwise(
            f"__bang_taylor{order}_{name}", ("vector",), HALF_FLOAT, meaning,
            scratch=2, in_place=False, error=error, domain=(-7.75, 7.75),
        )
        for order, error in ((3, 1e-6), (4, 1e-7))
        for name, meaning in (
            ("sigmoid", "1.0f / (1.0f + expf(-a))"),
            ("tanh", "tanhf(a)"),
            ("sin", "sinf(a)"),
            ("cos", "cosf(a)"),
            ("softplus", "log1pf(expf(a))"),
        )
    ),
)  # fmt: skip

_COMPARISONS: tuple[tuple[str, str], ...] = (
    ("eq", "a == b"),
    ("ne", "a != b"),
    ("lt", "a < b"),
    ("le", "a <= b"),
    ("gt", "a > b"),
    ("ge", "a >= b"),
)

_LOGIC: tuple[Elementwise, ...] = (
    # Truth is 1 and 0 in the operands' own type.
    *(
        row
        for name, meaning in _COMPARISONS
        for row in _binary(name, meaning, (*HALF_FLOAT, "int16", "int32"))
    ),
    Elementwise("__bang_and", ("vector", "vector"), HALF_FLOAT, "a != 0 && b != 0"),
    Elementwise("__bang_or", ("vector", "vector"), HALF_FLOAT, "a != 0 || b != 0"),
    Elementwise("__bang_xor", ("vector", "vector"), HALF_FLOAT, "(a != 0) != (b != 0)"),
    Elementwise("__bang_not", ("vector",), HALF_FLOAT, "a == 0"),
    Elementwise("__bang_band", ("vector", "vector"), BITS, "a & b"),
    Elementwise("__bang_bor", ("vector", "vector"), BITS, "a | b"),
    Elementwise("__bang_bxor", ("vector", "vector"), BITS, "a ^ b"),
    Elementwise("__bang_bnot", ("vector",), BITS, "~a"),
)

_CYCLE: tuple[Elementwise, ...] = tuple(
    Elementwise(f"__bang_cycle_{name}", ("vector", "cycle"), dtypes, meaning)
    for name, dtypes, meaning in (
        ("add", HALF_FLOAT, "a + b"),
        ("sub", HALF_FLOAT, "a - b"),
        ("mul", HALF_FLOAT, "a * b"),
        ("maxequal", HALF_FLOAT, "a >= b ? a : b"),
        ("minequal", HALF_FLOAT, "a <= b ? a : b"),
        *((name, HALF_FLOAT, meaning) for name, meaning in _COMPARISONS),
        ("and", HALF_FLOAT, "a != 0 && b != 0"),
        ("or", HALF_FLOAT, "a != 0 || b != 0"),
        ("band", BITS, "a & b"),
        ("bor", BITS, "a | b"),
    )
)

_FUSED: tuple[Elementwise, ...] = tuple(
    Elementwise("__bang_fusion", operands, HALF_FLOAT, meaning, selector=f"FUSION_{name}")
    for name, meaning in (
        ("FMA", "a * b + c"),
        ("FMS", "a * b - c"),
        ("FAM", "(a + b) * c"),
        ("FSM", "(a - b) * c"),
        ("FAA", "a + b + c"),
        ("FAS", "a + b - c"),
        ("FSS", "a - b - c"),
        ("FSA", "a - b + c"),
    )
    # Both further operands repeat with one period, which is always the last argument.
    for operands in (
        ("vector", "cycle", "cycle"),
        ("vector", "cycle", "scalar"),
        ("vector", "scalar", "cycle"),
        ("vector", "scalar", "scalar"),
    )
)

ELEMENTWISE: tuple[Elementwise, ...] = (*_ARITHMETIC, *_MATH, *_LOGIC, *_CYCLE, *_FUSED)
"""Everything that maps vectors in NRAM to a vector in NRAM element by element."""


@dataclass(frozen=True)
class Conversion:
    """`name(dst, src, n[, position])`: elements of another type, rounded to the nearest.

    Integers are fixed-point numbers: a value counts 2**position, of which we use only 1. Not in
    place: widening would overwrite what it has yet to read.
    """

    name: str
    source: str
    target: str
    position: bool = False


CONVERSIONS: tuple[Conversion, ...] = (
    Conversion("__bang_half2float", "float16", "float32"),
    Conversion("__bang_float2half_rn", "float32", "float16"),
    Conversion("__bang_bfloat162float", "bfloat16", "float32"),
    Conversion("__bang_float2bfloat16_rn", "float32", "bfloat16"),
    Conversion("__bang_int82float", "int8", "float32", position=True),
    Conversion("__bang_int162float", "int16", "float32", position=True),
)
"""Those that give what a cast in C gives."""


@dataclass(frozen=True)
class Pool:
    """`name(dst, src, channel, height, width, kernel_h, kernel_w, stride_w, stride_h)`.

    HWC, one image, no padding; incomplete windows are dropped; never in place. `step` folds a
    value `a` into the accumulator `r` that starts as `start`; `scale` is applied at the end with
    `k` the size of the window. `channel * sizeof(T)` is a multiple of `ALIGN`.
    """

    name: str
    start: str
    step: str
    scale: str = "r"
    dtypes: tuple[str, ...] = HALF_FLOAT


POOLS: tuple[Pool, ...] = (
    Pool("__bang_sumpool", "0.0f", "r + a"),
    Pool("__bang_avgpool", "0.0f", "r + a", "r / k"),
    Pool("__bang_maxpool", "-INFINITY", "a > r ? a : r"),
    Pool("__bang_minpool", "INFINITY", "a < r ? a : r"),
)

FILLS: Mapping[str, str] = MappingProxyType(
    {
        "__bang_write_zero": "(dst, n): n elements of dst's type become 0",
        "__bang_write_value": "(dst, n, value): n elements of VALUE's type",
        "__nramset": "(dst, n, value): as write_value",
        "__memset_nram": "(dst, n, value): as write_value, without alignment rules",
        "__gdramset": "(dst, n, value): in GDRAM",
        "__sramset": "(dst, n, value): in SRAM",
        "__ldramset": "(dst, n, value): in LDRAM",
    }
)

REDUCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "__bang_reduce_sum": "(dst, src, n): sums of each 128 bytes, at the first element",
        "__bang_sum": "(src, n): the sum of all, returned",
        "__bang_max": "(dst, src, n): dst[0] the maximum, the next word its index",
        "__bang_min": "(dst, src, n): dst[0] the minimum, the next word its index",
        "__bang_argmax": "(dst, src, n): dst[0] the maximum, the next word its first index",
        "__bang_argmin": "(dst, src, n): dst[0] the minimum, the next word its first index",
    }
)
