"""Clang's builtins for AMD's processors: the flat program against the emulated source."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import ReadError, frontends

from .support import flat_and_source, kernel, out, random

X = random(64)
N = random(64, seed=2, dtype="int32")
U = np.random.default_rng(3).integers(0, 1 << 32, 64, dtype=np.uint64).astype(np.uint32)
CONTROLS = (0x1B, 0x4E, 0x101, 0x10F, 0x111, 0x118, 0x121, 0x12C, 0x153, 0x140, 0x141)
CONTROLS += (0x130, 0x134, 0x138, 0x13C, 0x142, 0x143)
LANES = (
    "__builtin_amdgcn_readfirstlane(n[t])",
    "__builtin_amdgcn_readlane(n[t], 7)",
    "__builtin_amdgcn_ds_bpermute(n[t] * 4, n[t])",
    "__builtin_amdgcn_ds_permute((t * 3 % 64) * 4, n[t])",
    "__builtin_amdgcn_ds_permute((t / 2) * 4, n[t])",
    "__builtin_amdgcn_ds_swizzle(n[t], 0x801F)",
    "__builtin_amdgcn_ds_swizzle(n[t], 0x041F)",
    "__builtin_amdgcn_ds_swizzle(n[t], 0x021C)",
    *(f"__builtin_amdgcn_update_dpp(-1, n[t], {c}, 15, 15, false)" for c in CONTROLS),
    "__builtin_amdgcn_update_dpp(-1, n[t], 0x112, 15, 15, true)",
    "__builtin_amdgcn_update_dpp(-1, n[t], 0x140, 10, 3, false)",
    "__builtin_amdgcn_mov_dpp(x[t], 0x104, 15, 15, true)",
    "__builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0))",
    "__builtin_amdgcn_mbcnt_hi(u[t], __builtin_amdgcn_mbcnt_lo(u[t], 3))",
    "__popcll(__builtin_amdgcn_ballot_w64(x[t] > 0))",
    "__builtin_amdgcn_read_exec_lo() + (__builtin_amdgcn_read_exec() >> 60)",
    "__builtin_amdgcn_workitem_id_x() + __builtin_amdgcn_grid_size_x()",
    "__builtin_amdgcn_wavefrontsize()",
)
NUMBERS = (
    "__builtin_amdgcn_rcpf(x[t])",
    "__builtin_amdgcn_rsqf(fabsf(x[t]))",
    "__builtin_amdgcn_exp2f(x[t]) + __builtin_amdgcn_logf(fabsf(x[t]))",
    "__builtin_amdgcn_sinf(x[t]) + __builtin_amdgcn_cosf(x[t])",
    "__builtin_amdgcn_fractf(x[t])",
    "__builtin_amdgcn_fmed3f(x[t], x[63 - t], 0.25f)",
    "__builtin_amdgcn_ldexpf(x[t], t % 5 - 2)",
    "__builtin_amdgcn_fdot2(h, g, x[t], false) + __builtin_amdgcn_fdot2(h, g, x[t], true)",
    "__builtin_amdgcn_sdot4(u[t], v, n[t], false)",
    "__builtin_amdgcn_sdot8(u[t], v, 2147483000, true)",
    "__builtin_amdgcn_udot4(u[t], v, u[t], false)",
    "__builtin_amdgcn_udot8(u[t], v, 4294967000u, true)",
    "__builtin_amdgcn_alignbit(u[t], v, v)",
    "__builtin_amdgcn_ubfe(u[t], t, t % 30)",
    "__builtin_amdgcn_sbfe(u[t], 3, t % 25)",
    "__builtin_amdgcn_alignbyte(u[t], v, v)",
    *(f"__builtin_amdgcn_cvt_f32_ubyte{number}(u[t])" for number in range(4)),
)


@pytest.mark.parametrize("values", [LANES, NUMBERS], ids=["lanes", "numbers"])
def test_builtins(values: tuple[str, ...]) -> None:
    body = """typedef half H2 __attribute__((ext_vector_type(2))); int t = threadIdx.x;
H2 h, g; h[0] = x[t]; h[1] = x[63 - t]; g[0] = 2; g[1] = x[t]; unsigned v = u[63 - t];
"""
    body += "".join(f"y[{at * 64} + t] = {value};\n" for at, value in enumerate(values))
    target = out("y", 64 * len(values), dtype="float64")
    params = (("x", X), ("n", N), ("u", U))
    flat, source = flat_and_source(body, *params, target, block=(64,), dialect="hip")
    for at, value in enumerate(values):
        rows = slice(at * 64, at * 64 + 64)
        np.testing.assert_allclose(flat[rows], source[rows], rtol=3e-7, err_msg=value)


def test_a_control_that_the_device_lacks_is_refused() -> None:
    text = "y[0] = __builtin_amdgcn_mov_dpp(n[0], 0x161, 15, 15, true);"
    with pytest.raises(ReadError, match="no DPP control 0x161") as refusal:
        known = kernel(text, ("n", N), out("y", 1, dtype="int32"), block=(64,), dialect="hip")
        frontends.read(known)
    assert refusal.value.code == "XP1009"
