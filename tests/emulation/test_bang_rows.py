"""Every row of every table of BANG C: what it says, worked out by numpy, against what runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from xpiler_tvm.dialects.bang_conversions import CONVERSIONS, ROUNDINGS, Conversion
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise
from xpiler_tvm.dialects.bang_layouts import LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS, Layout, Pool
from xpiler_tvm.dialects.bang_matrix import CONTRACTIONS, Contraction
from xpiler_tvm.dialects.bang_reductions import (
    ATOMICS,
    BLOCK_BYTES,
    EXTREMES,
    FOLDS,
    HEADER_BYTES,
    PACKINGS,
    Fold,
)
from xpiler_tvm.emulation import numpy_dtype

from .bang_support import C_NAMES, run, whole_run
from .c_expressions import evaluate, grid
from .support import out

COUNT, PERIOD = 64, 16
FLOATS = ("float16", "bfloat16", "float32")


def wide(array: np.ndarray) -> np.ndarray:
    """As it is computed with: 16-bit floats in float, small integers in int."""
    if array.dtype.name in FLOATS:
        return array.astype("f4")
    return array.astype("i4") if array.dtype.itemsize < 4 else array


def close(got: np.ndarray, want: np.ndarray, dtype: str, name: str) -> None:
    rtol = {"float32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}.get(dtype, 0.0)
    kind = "f8" if dtype in FLOATS else "i8"
    np.testing.assert_allclose(
        got.astype(kind), want.astype(kind), rtol, 1e-6 if rtol else 0, err_msg=f"{name} {dtype}"
    )


# --- elementwise


def operand(row: Elementwise, position: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Values inside and outside of the interval in which a row is defined."""
    if dtype not in FLOATS:
        whole = rng.integers(0 if dtype.startswith("u") else -100, 100, COUNT)
        return np.where(whole == 0, 7, whole).astype(dtype)
    low, high = row.domain or (-6.0, 6.0)
    values = rng.uniform(max(low, -40.0) - 2, min(high, 40.0) + 2, COUNT)
    # Some equal to each other and to zero, and integers, for comparisons and the like.
    if position or row.condition:
        values[::3] = np.round(values[::3])
    values[1::7] = 0
    return values.astype(numpy_dtype(dtype))


def expected(row: Elementwise, values: dict[str, Any]) -> np.ndarray:
    """The row's meaning, with what the hardware gives outside the interval."""
    result = evaluate(row.meaning, **values)
    if row.condition:
        result = np.where(evaluate(row.condition, **values), result, np.nan)
    for bound, beyond, outside in zip(
        row.domain or (), (np.less, np.greater), (row.below, row.above), strict=False
    ):
        value = evaluate(outside, **values) if outside else np.float32(np.nan)
        result = np.where(beyond(values["a"], np.float32(bound)), value, result)
    return np.broadcast_to(result, values["a"].shape)


@pytest.mark.parametrize(
    "dtype",
    ["float32", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32"],
)
def test_elementwise(dtype: str) -> None:
    rng = np.random.default_rng(3)
    rows = [row for row in ELEMENTWISE if dtype in row.dtypes]
    scalar = "0.75f" if dtype in FLOATS else "3"
    inputs = np.empty((len(rows), 3, COUNT), numpy_dtype(dtype))
    body, wanted = [], []
    for number, row in enumerate(rows):
        arguments, values = [], {}
        for position, (letter, form) in enumerate(zip("abc", row.operands, strict=False)):
            inputs[number, position] = operand(row, position, dtype, rng)
            array = wide(inputs[number, position])
            if form == "cycle":
                array = np.tile(array[:PERIOD], COUNT // PERIOD)
            values[letter] = array
            if form == "scalar":
                values[letter] = array.dtype.type(0.75 if dtype in FLOATS else 3)
            arguments.append(scalar if form == "scalar" else f"p{position}")
            body.append(f"IN(p{position}, x + {(3 * number + position) * COUNT}, {COUNT});")
        arguments += [f"s{i}" for i in range(row.scratch)] + [str(COUNT)]
        arguments += [str(PERIOD)] if "cycle" in row.operands else []
        selector = f"{row.selector}, " if row.selector else ""
        body.append(f"{row.name}({selector}r, {', '.join(arguments)});")
        size = f"{COUNT // 8}" if row.packed else f"{COUNT} * sizeof(*y)"
        body.append(f"__memcpy(y + {number * COUNT}, r, {size}, NRAM2GDRAM);")
        wanted.append(expected(row, values))
    names = [f"{name}[{COUNT}]" for name in ("p0", "p1", "p2", "r", "s0", "s1")]
    got = run(
        "\n".join(body),
        ("x", inputs),
        out("y", (len(rows), COUNT), dtype),
        declare=f"__nram__ {C_NAMES[dtype]} {', '.join(names)};",
    )
    for row, mine, want in zip(rows, got, wanted, strict=True):
        if row.packed:
            bits = np.unpackbits(mine.view("u1")[: COUNT // 8], bitorder="little")
            np.testing.assert_array_equal(bits, want, err_msg=row.name)
        else:
            close(mine, want.astype(mine.dtype), dtype, f"{row.name} {row.selector}")


# --- reductions and selection


def fold(row: Fold, values: np.ndarray) -> Any:
    r = evaluate(row.start)
    for i, a in enumerate(wide(values)):
        r = evaluate(row.step, r=r, a=a, i=i)
    return r


def sparse(dtype: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.uniform(-2, 2, count) * rng.integers(0, 2, count), 2)
    return values.astype(numpy_dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_folds(dtype: str) -> None:
    x = sparse(dtype, 200, 5)
    rows = [row for row in FOLDS if dtype in row.dtypes]
    body, wanted = ["IN(p, x, 200);"], []
    for row in rows:
        if row.result == "blocks":
            block = BLOCK_BYTES // x.dtype.itemsize
            starts = range(0, 200, block)
            body.append(f"{row.name}(q, p, 200);")
            body += [f"*z++ = q[{start}];" for start in starts]
            wanted += [fold(row, x[start : start + block]) for start in starts]
        elif row.result == "returned":
            body.append(f"*z++ = {row.name}(p, 200);")
            wanted.append(fold(row, x))
        else:
            body.append(f"{row.name}(u, p, 200); *z++ = *u; {row.name}(u, p, 1); *z++ = *u + 1;")
            wanted += [fold(row, x), (fold(row, x[:1]) + 1) % 2**32]
    got = run(
        "\n".join(["float* z = y;", *body]),
        ("x", x),
        out("y", len(wanted)),
        declare=f"__nram__ {C_NAMES[dtype]} p[256], q[256]; __nram__ unsigned u[1];",
    )
    close(got, np.array(wanted, "f8"), dtype, "folds")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_extremes_and_packings(dtype: str) -> None:
    x, mask = sparse(dtype, 96, 6), sparse(dtype, 96, 7)
    names = [row.name for row in EXTREMES]
    body = ["IN(p, x, 96); IN(m, mask, 96);"]
    body += [f"{name}(q, p, 96); __memcpy(y + 128 * {i}, q, 12, NRAM2GDRAM);"
             for i, name in enumerate(names)]  # fmt: skip
    for i, packing in enumerate(PACKINGS, len(names)):
        given = {"returned": "r[0] = "}.get(packing.count, "")
        body.append(
            f"__bang_write_zero(q, 192); {given}{packing.name}(q, p, m, 96);"
            f"__memcpy(y + 192 * {i}, q, 192 * sizeof(*q), NRAM2GDRAM);"
        )
    body.append(f"__memcpy(y + 192 * {len(names) + len(PACKINGS)}, r, 4, NRAM2GDRAM);")
    # Extremes lie 192 apart too.
    text = "\n".join(body).replace("y + 128 *", "y + 192 *")
    got = run(
        text,
        ("x", x),
        ("mask", mask),
        out("y", (len(names) + len(PACKINGS) + 1, 192), dtype),
        declare=f"__nram__ {C_NAMES[dtype]} p[192], m[192], q[192]; __nram__ unsigned r[1];",
    )
    for extreme, mine in zip(EXTREMES, got, strict=False):
        best = 0
        for i in range(1, 96):
            if evaluate(extreme.better, a=wide(x)[i], r=wide(x)[best]):
                best = i
        size = x.dtype.itemsize
        assert mine[0] == x[best], extreme.name
        assert int(mine.view("u1")[size : size + 4].copy().view("u4")[0]) == best, extreme.name
    kept = x[mask != 0]
    for packing, mine in zip(PACKINGS, got[len(names) :], strict=False):
        before = HEADER_BYTES // x.dtype.itemsize if packing.count == "header" else 0
        np.testing.assert_array_equal(mine[before : before + kept.size], kept)
        assert (mine[before + kept.size :] == 0).all()
        if packing.count == "header":
            assert mine.view("u4")[0] == kept.size
    assert got[-1].view("u4")[0] == kept.size


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "int16", "int32", "uint16", "uint32"]
)
def test_atomics(dtype: str) -> None:
    rng = np.random.default_rng(8)
    rows = [row for row in ATOMICS if dtype in row.dtypes]
    x = rng.integers(0, 50, 32).astype(numpy_dtype(dtype))
    y = rng.integers(0, 50, (len(rows), 32)).astype(numpy_dtype(dtype))
    kind = C_NAMES[dtype]
    body = f"{kind}* z = ({kind}*)z_; IN(p, x, 32);" + "".join(
        f"{row.name}(z + 32 * {i}, p, 32);" for i, row in enumerate(rows)
    )
    declare = f"__nram__ {kind} p[32];"
    got = whole_run(body, ("x", x), ("z_", y), declare=declare).arrays["z_"]
    for row, mine, before in zip(rows, got, y, strict=True):
        want = evaluate(row.meaning, r=wide(before), a=wide(x))
        np.testing.assert_array_equal(mine, np.asarray(want).astype(mine.dtype), err_msg=row.name)


# --- maps of indices

PARAMETERS: dict[str, dict[str, int]] = {
    "__bang_reshape_filter": {"n": 128, "height": 2, "width": 2, "channel": 8},
    "__bang_reshape_nchw2nhwc": {"n": 2, "height": 3, "width": 5, "channel": 7},
    "__bang_reshape_nhwc2nchw": {"n": 2, "height": 3, "width": 5, "channel": 7},
}


def parameters_of(row: Layout) -> dict[str, int]:
    usual = {"channel": 3, "height": 6, "width": 5, "top": 1, "bottom": 2, "left": 3, "right": 0,
             "pad_h": 2, "pad_w": 1}  # fmt: skip
    return dict(PARAMETERS.get(row.name) or {name: usual[name] for name in row.parameters})


@pytest.mark.parametrize("dtype", ["float32", "int16", "int8"])
def test_layouts(dtype: str) -> None:
    rng = np.random.default_rng(9)
    body, inputs, wanted = [], [], []
    at = place = 0
    for row in LAYOUTS:
        values = parameters_of(row)
        if row.name == "__bang_reshape_filter":
            values["channel"] *= 4 // np.dtype(dtype).itemsize
        x = rng.integers(-100, 100, int(evaluate(row.count, **values))).astype(dtype)
        index = grid(row.extents, **values)
        source = np.broadcast_to(
            evaluate(row.source, **index),
            np.indices([int(evaluate(e, **values)) for _, e in row.extents]).shape[1:],
        )
        arguments = ", ".join(map(str, values.values()))
        for fill in ("", ", 5") if row.inside else ("",):
            want = x[np.clip(source, 0, x.size - 1)]
            if row.inside:
                want = np.where(evaluate(row.inside, **index), want, 5 if fill else 0)
            body.append(
                f"IN(p, x + {at}, {x.size}); {row.name}(q, p, {arguments}{fill});"
                f"__memcpy(y + {place}, q, {want.size} * sizeof(*y), NRAM2GDRAM);"
            )
            wanted.append((row.name, place, want.reshape(-1)))
            place += want.size
        inputs.append(x)
        at += x.size
    got = run(
        "\n".join(body),
        ("x", np.concatenate(inputs)),
        out("y", place, dtype),
        declare=f"__nram__ {C_NAMES[dtype]} p[16384], q[16384];",
    )
    for name, start, want in wanted:
        np.testing.assert_array_equal(got[start : start + want.size], want, err_msg=name)


def test_look_ups_and_masked_moves() -> None:
    rng = np.random.default_rng(10)
    index, table = rng.integers(0, 20, 50).astype("i4"), rng.integers(-99, 99, 20).astype("i4")
    body = f"IN(p, index, 50); IN(q, table, 20); {LOOKUPS[0].name}(r, p, q, 50, 20); OUT(r, 50);"
    declare = "__nram__ int p[64], q[64], r[64];"
    got = run(body, ("index", index), ("table", table), out("y", 50, "int32"), declare=declare)
    np.testing.assert_array_equal(got, table[index])
    x, mask, before = (rng.integers(-99, 99, 40).astype("i4") for _ in range(3))
    body = f"""IN(p, x, 40); IN(q, m, 40); IN(r, z, 40);
    {MASKED_MOVES[0].name}(r, p, q, 40); OUT(r, 40);"""
    got = run(body, ("x", x), ("m", mask), ("z", before), out("y", 40, "int32"), declare=declare)
    want = evaluate(MASKED_MOVES[0].meaning, a=x, m=mask, r=before)
    np.testing.assert_array_equal(got, want)


def pooled(
    row: Pool, x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int]
) -> np.ndarray:
    (kh, kw), (sh, sw) = kernel, stride
    height, width, _ = x.shape
    rows = []
    for y in range(0, height - kh + 1, sh):
        line = []
        for z in range(0, width - kw + 1, sw):
            r, best = evaluate(row.start), np.zeros(x.shape[2], "i4")
            for place, (i, j) in enumerate(itertools.product(range(kh), range(kw))):
                new = evaluate(row.step, r=r, a=wide(x[y + i, z + j]))
                best, r = np.where(new != r, place, best), new
            line.append(best if row.index else evaluate(row.scale, r=r, k=np.float32(kh * kw)))
        rows.append(line)
    return np.array(rows)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("row", POOLS, ids=lambda row: row.name)
def test_pools(row: Pool, dtype: str) -> None:
    x = np.random.default_rng(11).uniform(-1, 1, (7, 9, 64)).astype(dtype)
    index = {"float32": "uint32", "float16": "uint16"}[dtype] if row.index else dtype
    body = f"""IN(p, x, 7 * 9 * 64); {row.name}(q, p, 64, 7, 9, 3, 2, 4, 2); OUT(q, 6 * 64);
    {row.name}(q, p, 64, 7, 9, 3, 2); __memcpy(y + 6 * 64, q, 8 * 64 * sizeof(*q), NRAM2GDRAM);"""
    declare = f"__nram__ {C_NAMES[dtype]} p[4096]; __nram__ {C_NAMES[index]} q[4096];"
    got = run(body, ("x", x), out("y", 14 * 64, index), declare=declare)
    strided, tiled = pooled(row, x, (3, 2), (2, 4)), pooled(row, x, (3, 2), (3, 2))
    want = np.concatenate([strided.reshape(-1), tiled.reshape(-1)])
    close(got, want, index, row.name)


# --- the matrix unit


def contracted(
    row: Contraction, values: dict[str, int], x: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The sums alone. `weights` are filters by length, flat ones as the row takes them."""
    outputs, reduced = grid(row.outputs, **values), grid(row.reduced, **values)
    shape = [int(evaluate(extent, **values)) for _, extent in row.outputs]
    inner = [int(evaluate(extent, **values)) for _, extent in row.reduced]
    index: dict[str, Any] = dict(values)
    for name, _ in row.outputs:
        index[name] = outputs[name].reshape(*shape, *[1] * len(inner))
    for name, _ in row.reduced:
        index[name] = reduced[name].reshape(*[1] * len(shape), *inner)
    if row.flat:
        weight = weights.reshape(-1)[evaluate(row.flat, **index)]
    else:
        length = evaluate(row.length, **values)
        weight = weights.reshape(-1)[
            evaluate(row.filter, **index) * length + evaluate(row.place, **index)
        ]
    products = x.reshape(-1).astype("f8")[evaluate(row.source, **index)] * weight
    return products.sum(axis=tuple(range(len(shape), len(shape) + len(inner))))


SIZES: dict[str, dict[str, int]] = {
    "__bang_conv": {"ci": 64, "h": 5, "w": 4, "kh": 2, "kw": 3, "stride_w": 1, "stride_h": 2,
                    "co": 64},
    "__bang_matmul": {"m": 3, "k": 128, "n": 128},
    "__bang_mlp": {"height": 64, "width": 128},
}  # fmt: skip
SIZES["__bang_conv_partial"] = SIZES["__bang_conv"]


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
    values = dict(SIZES[row.name])
    more = {"dilation_w": 1, "dilation_h": 1, "out_w": 1, "out_h": 1} if row.dilated else {}
    every = {**values, **more}
    rng = np.random.default_rng(12)
    x = rng.integers(-9, 9, int(evaluate(row.sources, **every))).astype(source)
    filters, length = (int(evaluate(one, **every)) for one in (row.filters, row.length))
    weights = rng.integers(-9, 9, (filters, length)).astype(source)
    total = int(evaluate(row.targets, **every))
    partial = rng.integers(-9, 9, total).astype("f4")
    body = f"IN(p, x, {x.size}); IN(q, v, {weights.size});"
    if row.flat:
        body += f"__memcpy(v_, q, {weights.nbytes}, NRAM2WRAM);"
    else:
        body += f"""__bang_reshape_filter(r, q, {filters}, 1, 1, {length});
        __memcpy(v_, r, {weights.nbytes}, NRAM2WRAM);"""
    body += f"IN(b, z, {total});" if row.partial else ""
    tail = ", 0" if row.position == "required" else ""
    body += f"""{row.name}(a, p, v_, {"b, " if row.partial else ""}
        {", ".join(map(str, values.values()))}{tail}); OUT(a, {total});"""
    kind = C_NAMES[source]
    size = max(x.size, weights.size)
    got = run(
        body,
        ("x", x),
        ("v", weights),
        ("z", partial),
        out("y", total),
        declare=f"__nram__ {kind} p[{size}], q[{size}], r[{size}]; __wram__ {kind} v_[{size}];",
        mode=row.mode,
    )
    index = grid(row.outputs, **every)
    want = np.zeros(total)
    want[evaluate(row.target, **index)] = contracted(row, every, x, weights)
    np.testing.assert_allclose(got, want + (partial if row.partial else 0), rtol=1e-6)


# --- conversions

_UNITS = {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126)}


def converted(row: Conversion, values: np.ndarray, position: int) -> np.ndarray:
    """`values` as numbers; the result as numbers."""
    integer = row.target.startswith("int")
    exact = values * 2.0 ** (-position if integer else position)
    if integer:
        unit = np.ones_like(exact)
    else:
        precision, least = _UNITS[row.target]
        with np.errstate(divide="ignore"):
            exponent = np.floor(np.log2(np.abs(exact)))
        unit = 2.0 ** (np.maximum(exponent, least) - precision + 1)
    rounded = np.asarray(evaluate(ROUNDINGS[row.mode or "rn"], x=exact / unit)) * unit
    if not integer:
        return rounded
    bits = int(row.target.removeprefix("int"))
    return np.clip(rounded, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def samples(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(13)
    if dtype.startswith("int"):
        bits = int(dtype.removeprefix("int"))
        return rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 48).astype("f8")
    values = np.concatenate([rng.uniform(-300, 300, 24), rng.integers(-9, 9, 24) + 0.5])
    return values.astype(numpy_dtype(dtype)).astype("f8")


def stored(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as a vector of `dtype` lies in memory."""
    if dtype != "int4":
        return values.astype(numpy_dtype(dtype)).view("i1")
    pairs = values.astype("i1") & 15
    return (pairs[::2] | pairs[1::2] << 4).astype("i1")


def loaded(data: np.ndarray, dtype: str) -> np.ndarray:
    if dtype != "int4":
        return data.view(numpy_dtype(dtype)).astype("f8")
    pairs = np.stack([data << 4 >> 4, data >> 4], axis=-1)
    return pairs.reshape(-1).astype("f8")


@pytest.mark.parametrize(
    "source", ["float16", "float32", "bfloat16", "int4", "int8", "int16", "int32"]
)
def test_conversions(source: str) -> None:
    rows = [row for row in CONVERSIONS if row.source == source]
    values, names = samples(source), {**C_NAMES, "int4": "int4x2_t"}
    position = {"int16": 3, "int32": 3}.get(source, 2)
    body = [f"__memcpy(p, x, {stored(values, source).size}, GDRAM2NRAM);"]
    for i, row in enumerate(rows):
        tail = f", {position}" if row.position else ""
        body.append(f"{row.name}(({names[row.target]}*)q, p, 48{tail});")
        body.append(f"__memcpy(y + 192 * {i}, q, 192, NRAM2GDRAM);")
    got = run(
        "\n".join(body),
        ("x", stored(values, source)),
        out("y", (len(rows), 192), "int8"),
        declare=f"__nram__ {names[source]} p[48]; __nram__ float q[48];",
    )
    for row, mine in zip(rows, got, strict=True):
        want = converted(row, values, position if row.position else 0)
        have = loaded(mine, row.target)[:48]
        bound = 65504 if row.target == "float16" else np.inf
        fits = np.abs(want) <= bound
        np.testing.assert_array_equal(have[fits], want[fits], err_msg=row.name)
        assert (np.abs(have[~fits]) >= bound).all(), row.name


def test_scalar_casts_round_like_the_vectors() -> None:
    rows = [row for row in CONVERSIONS if "int4" not in (row.source, row.target)]
    rows = [row for row in rows if row.source == "float32"]
    values = samples("float32")[:6]
    body = "".join(
        f"y[{6 * i + j}] = {row.name.replace('__bang_', '__')}({float(value)!r}f);"
        for i, row in enumerate(rows)
        for j, value in enumerate(values)
    )
    got = run(body, out("y", (len(rows), 6), "float32"))
    for row, mine in zip(rows, got, strict=True):
        np.testing.assert_array_equal(mine, converted(row, values, 0).astype("f4"), row.name)
