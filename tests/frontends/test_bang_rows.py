"""Every row of every table of BANG C: the program that is read, against the emulated source."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.dialects.bang_conversions import CONVERSIONS
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise
from xpiler_tvm.dialects.bang_layouts import LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS, Layout
from xpiler_tvm.dialects.bang_matrix import CONTRACTIONS, Contraction
from xpiler_tvm.dialects.bang_reductions import ATOMICS, EXTREMES, FOLDS, PACKINGS
from xpiler_tvm.emulation import numpy_dtype

from .bang_support import C_NAMES, check, out

COUNT, PERIOD = 64, 8
FLOATS = ("float16", "bfloat16", "float32")
RTOL = {"float32": 3e-6, "float16": 1e-3, "bfloat16": 8e-3}


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Values of any sign, some equal and some zero."""
    rng = np.random.default_rng(seed)
    if dtype in FLOATS:
        values = rng.uniform(-9, 9, shape)
        values[..., ::3] = np.round(values[..., ::3])
        return values.astype(numpy_dtype(dtype))
    whole = rng.integers(0 if dtype.startswith("u") else -100, 100, shape)
    return np.where(whole == 0, 7, whole).astype(dtype)


def statement(row: Elementwise, dtype: str) -> str:
    """A call of the row on vectors `p0`, `p1`, `p2`, with its result in `r`."""
    scalar = "0.75f" if dtype in FLOATS else "3"
    arguments = [
        scalar if form == "scalar" else f"p{position}" for position, form in enumerate(row.operands)
    ]
    arguments += [f"s{i}" for i in range(row.scratch)] + [str(COUNT)]
    arguments += [str(PERIOD)] if "cycle" in row.operands else []
    selector = f"{row.selector}, " if row.selector else ""
    return f"{row.name}({selector}r, {', '.join(arguments)});"


@pytest.mark.parametrize(
    "dtype",
    ["float32", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32"],
)
def test_elementwise(dtype: str) -> None:
    rows = [row for row in ELEMENTWISE if dtype in row.dtypes]
    x = numbers(dtype, 3 * COUNT)
    body = [f"IN(p{i}, x + {i * COUNT}, {COUNT});" for i in range(3)]
    for number, row in enumerate(rows):
        body.append(statement(row, dtype))
        size = f"{COUNT // 8}" if row.packed else f"{COUNT} * sizeof(*y)"
        body.append(f"__memcpy(y + {number * COUNT}, r, {size}, NRAM2GDRAM);")
    names = [f"{name}[{COUNT}]" for name in ("p0", "p1", "p2", "r", "s0", "s1")]
    check(
        "\n".join(body),
        ("x", x),
        out("y", len(rows), COUNT, dtype=dtype),
        declare=f"__nram__ {C_NAMES[dtype]} {', '.join(names)};",
        rtol=RTOL.get(dtype, 0.0),
    )


def test_approximations_are_exact_in_lenient_mode() -> None:
    rows = [row for row in ELEMENTWISE if row.domain or row.informal]
    body = [f"IN(p0, x, {COUNT});"]
    for number, row in enumerate(rows):
        body += [statement(row, "float16"), f"OUT(y + {number * COUNT}, r, {COUNT});"]
    got = check(
        "\n".join(body),
        ("x", np.abs(numbers("float16", COUNT)) * 2),
        out("y", len(rows), COUNT, dtype="float16"),
        declare=f"__nram__ half p0[{COUNT}], r[{COUNT}];",
        mode="lenient",
        rtol=1e-3,
    )
    assert np.isfinite(got).sum() > 0.9 * got.size


# --- reductions and selection


@pytest.mark.parametrize("dtype", FLOATS)
def test_folds(dtype: str) -> None:
    body = ["IN(p, x, 200); float* z = y;"]
    for row in FOLDS:
        if dtype not in row.dtypes:
            continue
        if row.result == "returned":
            body.append(f"*z++ = {row.name}(p, 200);")
        elif row.result == "word":
            body.append(f"{row.name}(u, p, 200); *z++ = *u;")
        else:
            body.append(f"{row.name}(q, p, 200); *z++ = q[0]; *z++ = q[{128 // 4}];")
    check(
        "\n".join(body).replace("32]", f"{128 // numpy_dtype(dtype).itemsize}]"),
        ("x", numbers(dtype, 200) * (numbers(dtype, 200, seed=1) > 0)),
        out("y", 6),
        declare=f"__nram__ {C_NAMES[dtype]} p[256], q[256]; __nram__ unsigned u[1];",
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_extremes_and_packings(dtype: str) -> None:
    body = ["IN(p, x, 96); IN(m, mask, 96);"]
    for place, extreme in enumerate(EXTREMES):
        size = 4 + numpy_dtype(dtype).itemsize
        body.append(
            f"{extreme.name}(e, p, 96); __memcpy(y + {192 * place}, e, {size}, NRAM2GDRAM);"
        )
    for place, packing in enumerate(PACKINGS, len(EXTREMES)):
        given = "r[0] = " if packing.count == "returned" else ""
        body.append(f"__bang_write_zero(q, 192); {given}{packing.name}(q, p, m, 96);")
        body.append(f"OUT(y + {192 * place}, q, 192);")
    end = 192 * (len(EXTREMES) + len(PACKINGS))
    body.append(f"__memcpy(y + {end}, r, 4, NRAM2GDRAM);")
    check(
        "\n".join(body),
        ("x", numbers(dtype, 96)),
        ("mask", (numbers(dtype, 96, seed=2) > 0).astype(dtype)),
        out("y", end + 192, dtype=dtype),
        declare=f"__nram__ {C_NAMES[dtype]} p[192], m[192], q[192], e[8]; __nram__ unsigned r[1];",
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int16", "uint32"])
def test_atomics(dtype: str) -> None:
    rows = [row for row in ATOMICS if dtype in row.dtypes]
    body = ["IN(p, x, 16);"]
    for number, row in enumerate(rows):
        body += [f"OUT(y + {16 * number}, p, 16);", f"{row.name}(y + {16 * number}, p + 16, 16);"]
    check(
        "IN(p + 16, x + 16, 16);" + "\n".join(body),
        ("x", numbers(dtype, 32)),
        out("y", len(rows), 16, dtype=dtype),
        declare=f"__nram__ {C_NAMES[dtype]} p[32];",
    )


# --- maps of indices

_SIZES = {"height": 6, "width": 5, "channel": 4, "n": 64, "pad_h": 1, "pad_w": 2}
_SIZES |= {"top": 1, "bottom": 2, "left": 0, "right": 3}


def arguments(row: Layout) -> list[int]:
    if row.name == "__bang_reshape_filter":
        return [128, 2, 2, 32]
    if row.name.startswith("__bang_reshape"):
        return [3, 6, 5, 4]
    return [_SIZES[name] for name in row.parameters]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_layouts(dtype: str) -> None:
    x = numbers(dtype, 128 * 128)
    body, place = [f"IN(p, x, {x.size});"], 0
    for row in LAYOUTS:
        for fill in ("", ", 9")[: 1 + bool(row.inside)]:
            given = ", ".join(map(str, arguments(row)))
            body.append(f"__bang_write_zero(q, {x.size}); {row.name}(q, p, {given}{fill});")
            size = x.size if row.name == "__bang_reshape_filter" else 400
            body.append(f"OUT(y + {place}, q, {size});")
            place += size
    check(
        "\n".join(body),
        ("x", x),
        out("y", place, dtype=dtype),
        declare=f"__nram__ {C_NAMES[dtype]} p[{x.size}], q[{x.size}];",
    )


def test_look_ups_and_masked_moves() -> None:
    rng = np.random.default_rng(10)
    body = f"""IN(p, index, 40); IN(q, table, 20); {LOOKUPS[0].name}(r, p, q, 40, 20);
    OUT(y, r, 40);
    {MASKED_MOVES[0].name}(r, p, q, 20);
    {MASKED_MOVES[0].name}((void*)(r + 20), (void*)p, (void*)q, 7);
    OUT(y + 40, r, 40);"""
    check(
        body,
        ("index", rng.integers(0, 20, 40).astype("i4")),
        ("table", rng.integers(-1 << 30, 1 << 30, 20).astype("i4")),
        out("y", 80, dtype="int32"),
        declare="__nram__ int p[64], q[64], r[64];",
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_pools(dtype: str) -> None:
    index = {"float32": "unsigned", "float16": "uint16_t"}[dtype]
    body, place = ["IN(p, x, 7 * 9 * 64);"], 0
    for row in POOLS:
        result = "u" if row.index else "q"
        body.append(f"{row.name}({result}, p, 64, 7, 9, 3, 2, 4, 2);")
        body.append(f"{row.name}({result} + 384, p, 64, 7, 9, 3, 2);")
        body.append(f"for (int i = 0; i < 896; ++i) y[{place} + i] = {result}[i];")
        place += 896
    check(
        "\n".join(body),
        ("x", numbers(dtype, 7, 9, 64)),
        out("y", place),
        declare=f"__nram__ {C_NAMES[dtype]} p[4096], q[1024]; __nram__ {index} u[1024];",
    )


# --- the matrix unit

_CONV = {"ci": 64, "h": 5, "w": 4, "kh": 2, "kw": 2, "stride_w": 1, "stride_h": 2, "co": 64}
SIZES: dict[str, dict[str, int]] = {
    "__bang_conv": _CONV,
    "__bang_conv_partial": _CONV,
    "__bang_matmul": {"m": 3, "k": 128, "n": 128},
    "__bang_mlp": {"height": 128, "width": 128},
}


def extents(row: Contraction) -> dict[str, int]:
    """Elements of the operands."""
    v = SIZES[row.name]
    if "conv" in row.name:
        return {"x": 5 * 4 * 64, "w": 64 * 4 * 64, "y": 2 * 3 * 64, "filters": 64}
    if row.name == "__bang_mlp":
        return {"x": v["width"], "w": v["height"] * v["width"], "y": v["height"], "filters": 128}
    return {"x": v["m"] * v["k"], "w": v["k"] * v["n"], "y": v["m"] * v["n"], "filters": v["n"]}


@pytest.mark.parametrize(
    ("row", "source"),
    [
        pytest.param(row, source, id=f"{row.name}-{row.mode}-{source}")
        for row in CONTRACTIONS
        for source in ("int8", "float16")
        if not row.types or ("float32", source, source) in row.types
    ],
)
def test_contractions(row: Contraction, source: str) -> None:
    """Two calls: the plain one, and one with all further arguments and an integer result."""
    sizes, values = extents(row), ", ".join(map(str, SIZES[row.name].values()))
    rng, fixed = np.random.default_rng(12), source == "int8"
    x, weights = (rng.integers(-9, 9, sizes[name]).astype(source) for name in ("x", "w"))
    addend = rng.integers(-9, 9, 2 * sizes["y"]).astype("f4")
    more = {"before": ("b, ", ""), "behind": ("", ", b")}.get(row.bias, ("", ""))
    if (row.mode == "strict" and not fixed) or row.partial:
        more = ("", ", b" if row.partial else "")
    plain = ("", ", b" if row.partial else "")
    zero = ", 0" if row.position == "required" else ""
    tail = ", -3" + (", 1, 1, 2, 1" if row.dilated else "")
    length = sizes["w"] // sizes["filters"]
    body = f"""IN(p, x, {x.size}); IN(q, v, {weights.size}); IN(b, z, {addend.size});
    __bang_reshape_filter(r, q, {sizes["filters"]}, 1, 1, {length});
    __memcpy(w, {"q" if row.flat else "r"}, {weights.nbytes}, NRAM2WRAM);
    {row.name}(a, p, {plain[0]}w{plain[1]}, {values}{zero}); OUT(y, a, {sizes["y"]});
    __bang_write_zero(a, {2 * sizes["y"]});
    {row.name}(a, p, {more[0]}w{more[1]}, {values}{tail});
    OUT(y + {sizes["y"]}, a, {2 * sizes["y"]});"""
    kind, size = C_NAMES[source], max(x.size, weights.size)
    check(
        body,
        ("x", x),
        ("v", weights),
        ("z", addend),
        out("y", 3 * sizes["y"]),
        declare=f"""__nram__ {kind} p[{size}], q[{size}], r[{size}];
        __nram__ float a[1024], b[1024]; __wram__ {kind} w[{size}];""",
        mode=row.mode,
    )


@pytest.mark.parametrize("target", ["float16", "int16"])
def test_products_that_are_rounded(target: str) -> None:
    rng = np.random.default_rng(13)
    body = """IN(p, x, 4 * 64); IN(q, v, 64 * 128);
    __bang_reshape_filter(r, q, 64, 1, 1, 128);
    __memcpy(w, r, 64 * 128, NRAM2WRAM); __bang_matmul(a, p, w, 4, 64, 64, -2); OUT(y, a, 256);"""
    check(
        body,
        ("x", rng.integers(-128, 128, 4 * 64).astype("i2")),
        ("v", rng.integers(-128, 128, 64 * 128).astype("i1")),
        out("y", 256, dtype=target),
        declare=f"""__nram__ int16_t p[256]; __nram__ int8_t q[8192], r[8192];
        __nram__ {C_NAMES[target]} a[256]; __wram__ int8_t w[8192];""",
    )


# --- conversions


def samples(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(13)
    if dtype.startswith("int"):
        bits = int(dtype.removeprefix("int"))
        values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 48)
        if bits == 4:
            pairs = values.astype("i1") & 15
            return (pairs[::2] | pairs[1::2] << 4).astype("i1")
        return values.astype(dtype).view("i1")
    values = np.concatenate(
        [rng.uniform(-300, 300, 20), rng.integers(-9, 9, 20) + 0.5, [0.0, -0.0, 1e-6, 6e4, -7e4],
         [np.nan, np.inf, -3e-8]]
    )  # fmt: skip
    with np.errstate(over="ignore"):
        return values.astype(numpy_dtype(dtype)).view("i1")


@pytest.mark.parametrize(
    "source", ["float16", "float32", "bfloat16", "int4", "int8", "int16", "int32"]
)
def test_conversions(source: str) -> None:
    rows = [row for row in CONVERSIONS if row.source == source]
    x, names = samples(source), {**C_NAMES, "int4": "int4x2_t"}
    declare = [f"__nram__ {names[source]} p[48];"]
    body: list[str] = [f"__memcpy(p, x, {x.size}, GDRAM2NRAM);"]
    for i, row in enumerate(rows):
        tail = ", 2" if row.position and i % 2 else ""
        size = 24 if row.target == "int4" else 48 * numpy_dtype(row.target).itemsize
        body.append(f"{row.name}(q_{row.target}, p, 48{tail});")
        body.append(f"__memcpy(y + 192 * {i}, q_{row.target}, {size}, NRAM2GDRAM);")
        declare.append(f"__nram__ {names[row.target]} q_{row.target}[48];")
    check(
        "\n".join(body),
        ("x", x),
        out("y", len(rows), 192, dtype="int8"),
        declare="\n".join(dict.fromkeys(declare)),
    )


def test_scalar_casts() -> None:
    rows = [row for row in CONVERSIONS if "int4" not in (row.source, row.target)]
    rows = [row for row in rows if row.source == "float32"]
    body = "".join(
        f"y[{2 * i + j}] = {row.name.replace('__bang_', '__')}(x[{j}]);"
        for i, row in enumerate(rows)
        for j in range(2)
    )
    x = np.array([2.5, -257.3], "f4")
    check(body, ("x", x), out("y", len(rows), 2))


def test_fills() -> None:
    body = """__bang_write_value(p, 64, 0.0f); __bang_write_value(p, 3, 1.5f);
    __nramset(p + 4, 2, 2.5f); __memset_nram(p + 8, 2, 7.0f); __bang_write_zero(p + 4, 1);
    __bang_write_value(p + 16, 2, 3.0f, 16, 1, 64, 1); __bang_write_value(q, 16, (half)1);
    __nramset((void*)(q + 16), 8, 9.0f); __ldramset(l, 4, 5); OUT(y, p, 64);
    __memcpy(p, l, 16, LDRAM2NRAM); OUT(y + 64, q, 16); OUT(y + 80, p, 4);
    __gdramset(y + 84, 4, 1.25f);"""
    declare = "__nram__ float p[64]; __nram__ half q[32]; __ldram__ int l[4];"
    got = check(body, out("y", 88), declare=declare)
    assert got[87] == 1.25 and got[16] == got[20] == got[32] == 3
