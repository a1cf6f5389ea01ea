"""C++ of BANG C's conversions, written out from `dialects.bang_conversions`."""

from __future__ import annotations

from collections.abc import Callable

from xpiler_tvm.dialects.bang_conversions import CONVERSIONS, NAMES, ROUNDINGS, Conversion

from .bang_pieces import AT, C_TYPES, overlap, read, write

_INTEGERS = frozenset(dtype for dtype in NAMES.values() if dtype.startswith("int"))


def conversions(wanted: Callable[[str], bool]) -> list[str]:
    """The vector conversions of which `wanted` says yes to the name."""
    return [_vector(row) for row in CONVERSIONS if wanted(row.name)]


def scalar_casts(wanted: Callable[[str], bool]) -> list[str]:
    """The same for one value: `__A2B_mode`. Two int4 share a byte, so there is none of these."""
    rows = [row for row in CONVERSIONS if "int4" not in (row.source, row.target)]
    return [_scalar(row) for row in rows if wanted(_scalar_name(row))]


def _scalar_name(row: Conversion) -> str:
    return row.name.replace("__bang_", "__")


def _value(row: Conversion, scale: str) -> str:
    """The result for `a`, a number as it is computed with."""
    target = C_TYPES[row.target]
    scaled = f"__builtin_ldexp((double)a, {scale})"
    if row.target in _INTEGERS:
        rounded = f"xp_round_{row.mode}({scaled})" if row.mode else scaled
        bits = row.target.removeprefix("int")
        element = "signed char" if row.target == "int4" else target
        return f"xp_saturate<{element}>({rounded}, {bits})"
    # The nearest even is what the processor gives.
    if row.mode in ("", "rn"):
        return f"{target}({scaled})"
    return f"xp_round_to<{target}>({scaled}, xp_round_{row.mode})"


def _vector(row: Conversion) -> str:
    target, source = C_TYPES[row.target], C_TYPES[row.source]
    position = "int position = 0, " if row.position else ""
    scale = "0" if not row.position else "-position" if row.target in _INTEGERS else "position"
    sizes = f"xp_bytes<{target}>(n)", f"xp_bytes<{source}>(n)"
    return f"""{rounding(row.mode)}
XP_INTRINSIC void {row.name}({target}* dst, const {source}* src, int n, {position}{AT}) {{
  {write(row.name, "dst", sizes[0])} {read(row.name, "the source", "src", sizes[1])}
  {overlap(row.name, sizes[0], "src", sizes[1], in_place=row.in_place)}
  for (int i = 0; i < n; ++i) {{
    const auto a = xp_at(src, i);
    xp_put(dst, i, {_value(row, scale)});
  }}
}}"""


def _scalar(row: Conversion) -> str:
    target, source = C_TYPES[row.target], C_TYPES[row.source]
    return f"""{rounding(row.mode)}
inline {target} {_scalar_name(row)}({source} x) {{
  const auto a = xp_wide(x);
  return {_value(row, "0")};
}}"""


def rounding(mode: str) -> str:
    """`xp_round_<mode>`, once in a translation unit."""
    if not mode:
        return ""
    return f"""#ifndef XP_ROUND_{mode}
#define XP_ROUND_{mode}
inline double xp_round_{mode}(double x) {{ return {ROUNDINGS[mode]}; }}
#endif"""
