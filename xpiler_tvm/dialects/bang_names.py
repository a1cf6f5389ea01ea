"""Every function of BANG C that our sources document, and what becomes of it.

A name is in one of the tables beside this one, or written in the emulator's header, or in
`UNSUPPORTED` with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .bang import BARRIERS, FILLS, SYNCS
from .bang_conversions import CONVERSIONS, NAMES, ROUNDINGS
from .bang_elementwise import ELEMENTWISE
from .bang_layouts import LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS
from .bang_matrix import CONTRACTIONS
from .bang_reductions import ATOMICS, EXTREMES, FOLDS, PACKINGS

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def _bang(names: str) -> tuple[str, ...]:
    return tuple(f"__bang_{name}" for name in names.split())


DOCUMENTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "execution": (
            *("__is_mpu", "__is_ipu", "__bang_lock", "__bang_unlock", "__bang_printf"),
            *("__sync", "__sync_compute", "__sync_io", "__sync_move", "__sync_io_move_compute"),
            *("__sync_cluster", "__sync_all", "__sync_all_ipu", "__sync_all_mpu"),
            *(f"__sync_copy_dram_to_{one}" for one in ("dram", "nram", "wram", "sram")),
            *(f"__sync_copy_nram_to_{one}" for one in ("dram", "nram", "wram", "sram")),
            *(f"__sync_copy_wram_to_{one}" for one in ("dram", "nram", "sram")),
            *(f"__sync_copy_sram_to_{one}" for one in ("dram", "nram", "wram", "sram")),
        ),
        "copies": ("__memcpy", "__memcpy_async"),
        "arithmetic": _bang(
            "add sub mul add_scalar sub_scalar mul_scalar add_const sub_const mul_const div rem "
            "square abs active_abs floor round neg relu relun maxequal minequal maximum minimum "
            "nan_maximum nan_minimum maxeq_scalar mineq_scalar cycle_add cycle_sub cycle_mul "
            "cycle_maxequal cycle_minequal cycle_and cycle_or cycle_band cycle_bor cycle_eq "
            "cycle_ne cycle_lt cycle_le cycle_gt cycle_ge fusion"
        ),
        "math": (
            *_bang(
                "active_exp active_exphp active_exp_less_0 active_recip active_reciphp "
                "active_recip_greater_1 active_sqrt active_sqrthp active_rsqrt active_rsqrthp "
                "active_log active_loghp active_sin active_cos active_tanh active_sigmoid "
                "active_gelu active_gelup active_relu active_sign active_pow2 "
                "sin cos sqrt rsqrt recip pow2 log log2 sigmoid"
            ),
            *(
                f"__bang_taylor{order}_{name}"
                for order in (3, 4)
                for name in ("sigmoid", "tanh", "sin", "cos", "softplus")
            ),
        ),
        "logic": (
            *(
                f"__bang_{name}{form}"
                for name in _COMPARISONS
                for form in ("", "_scalar", "_bitindex")
            ),
            *_bang("and or xor not band bor bxor bnot maskmove select collect filter"),
            *_bang("count findfirst1 findlast1 lut_s32"),
        ),
        "reduction": _bang("reduce_sum sum max min argmax argmin"),
        "pooling": _bang(
            "sumpool avgpool maxpool minpool maxpool_index minpool_index maxpool_value_index "
            "minpool_value_index maxpool_bp minpool_bp avgpool_bp unpool"
        ),
        "matrix": _bang(
            "conv conv_partial mlp matmul reshape_filter histogram conv_sparse load_matrix"
        ),
        "layout": _bang(
            "transpose rotate90 rotate180 rotate270 mirror pad reshape_nchw2nhwc "
            "reshape_nhwc2nchw tiling_2d_b8 tiling_2d_b16 tiling_2d_b32 tiling_2d_b64 "
            "tiling_2d_b128 tiling_2d_b256 tiling_3d_b1024"
        ),
        "fill": (
            *_bang("write_zero write_value"),
            *("__nramset", "__memset_nram", "__gdramset", "__sramset", "__ldramset"),
        ),
        "conversion": tuple(
            name
            for a in NAMES
            for b in NAMES
            if NAMES[a] != NAMES[b]
            for name in (f"__bang_{a}2{b}", *(f"__bang_{a}2{b}_{mode}" for mode in ROUNDINGS))
            # Of each pair the forms without a mode, the forms with one, or both exist.
            if any(row.name == name for row in CONVERSIONS)
        ),
        "casts": ("__half2float", "__float2half_rn", "__float2half_rd", "__float2int_tz"),
        "atomics": _bang(
            "atomic_reduce_add atomic_reduce_max atomic_reduce_min atomic_reduce_and "
            "atomic_reduce_or atomic_reduce_xor atomic_add"
        ),
    }
)
"""Names by subject, written down from the sources and not from the tables."""

_NO_ARGUMENTS = "its arguments are not public"

UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            _bang("histogram conv_sparse load_matrix"), "no public text says what it computes"
        ),
        **dict.fromkeys(_bang("maxpool_value_index minpool_value_index"), _NO_ARGUMENTS),
        **dict.fromkeys(_bang("maxpool_bp minpool_bp avgpool_bp unpool"), _NO_ARGUMENTS),
        **dict.fromkeys((name for name in DOCUMENTED["layout"] if "tiling" in name), _NO_ARGUMENTS),
        "__bang_atomic_add": "it is reported to trap; __bang_atomic_reduce_add does the same",
    }
)
"""What the emulator refuses by name, and why."""

IN_HEADER = frozenset(
    ("__is_mpu", "__is_ipu", "__bang_lock", "__bang_unlock", "__bang_printf") + DOCUMENTED["copies"]
)
"""What stands in the emulator's headers and in no table."""


def supported() -> frozenset[str]:
    """Every name that is understood."""
    tables = (
        ELEMENTWISE, FOLDS, EXTREMES, PACKINGS, ATOMICS, LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS,
        CONTRACTIONS, CONVERSIONS, FILLS,
    )  # fmt: skip
    named = {row.name for table in tables for row in table}
    casts = {row.name.replace("__bang_", "__") for row in CONVERSIONS}
    return frozenset({*named, *casts, *SYNCS, *BARRIERS, *IN_HEADER})
