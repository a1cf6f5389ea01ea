"""C++ of BANG C's maps of indices, written out from `dialects.bang_layouts`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xpiler_tvm.dialects.bang_layouts import (
    LAYOUTS,
    LOOKUPS,
    MASKED_MOVES,
    POOLS,
    Layout,
    Lookup,
    MaskedMove,
    Pool,
    Rules,
)

from .bang_pieces import AT, overlap, read, rule_checks, type_check, write


def layouts(wanted: Callable[[str], bool]) -> list[str]:
    """The layouts, look-ups and pools of which `wanted` says yes to the name."""
    return [
        *(_layout(row) for row in LAYOUTS if wanted(row.name)),
        *(_lookup(row) for row in LOOKUPS if wanted(row.name)),
        *(_masked_move(row) for row in MASKED_MOVES if wanted(row.name)),
        *(_pool(row) for row in POOLS if wanted(row.name)),
    ]


def _layout(row: Layout) -> str:
    fill = ", typename XpSame<T>::type value = T(0)" if row.inside else ""
    element = f"src[{row.source}]"
    if row.inside:
        element = f"{row.inside} ? {element} : value"
    loops = " ".join(
        f"for (long long {name} = 0; {name} < {extent}; ++{name})" for name, extent in row.extents
    )
    total = " * ".join(f"({extent})" for _, extent in row.extents)
    return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, const T* src, {_integers(row.parameters)}{fill}, {AT}) {{
  static_assert(sizeof(T) <= 4, "{row.name} has no form for this type");
  const long long size = sizeof(T){_widened(row.parameters)};
  {rule_checks(row.name, row.rules)}
  const long long total = {total} * size, whole = {row.count} * size;
  {write(row.name, "dst", "total")} {read(row.name, "the source", "src", "whole")}
  {overlap(row.name, "total", "src", "whole", in_place=False)}
  T* next = dst;
  {loops} *next++ = {element};
}}"""


def _integers(names: Iterable[str]) -> str:
    """Parameters of a function; `_widened` gives them their names."""
    return ", ".join(f"int {name}_" for name in names)


def _widened(names: Iterable[str]) -> str:
    return "".join(f", {name} = {name}_" for name in names)


def _lookup(row: Lookup) -> str:
    return f"""template <class T, class I>
XP_INTRINSIC void {row.name}(T* dst, const I* index, const T* table, int n, int length, {AT}) {{
  static_assert(XpInteger<T>::value && sizeof(T) == 4 && XpInteger<I>::value && sizeof(I) == 4,
                "{row.name} takes 32-bit integers");
  {write(row.name, "dst", "xp_bytes<T>(n)")}
  {read(row.name, "the index", "index", "xp_bytes<I>(n)")}
  {read(row.name, "the table", "table", "xp_bytes<T>(length)")}
  {overlap(row.name, "xp_bytes<T>(n)", "index", "xp_bytes<I>(n)", in_place=True)}
  {overlap(row.name, "xp_bytes<T>(n)", "table", "xp_bytes<T>(length)", in_place=False)}
  for (int i = 0; i < n; ++i) {{
    if (index[i] < 0 || (long long)index[i] >= length) {{
      xp_fail(5002, at.line, "{row.name}: index %lld of a table of %d", (long long)index[i],
              length);
    }}
    dst[i] = table[index[i]];
  }}
}}"""


def _masked_move(row: MaskedMove) -> str:
    return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, const T* src, const T* mask, int n, {AT}) {{
  const long long bytes = xp_bytes<T>(n);
  {write(row.name, "dst", "bytes")} {read(row.name, "the source", "src", "bytes")}
  {read(row.name, "the mask", "mask", "bytes")}
  for (long long i = 0; i < bytes; ++i) {{
    const unsigned char a = ((const unsigned char*)src)[i], m = ((const unsigned char*)mask)[i];
    const unsigned char r = ((unsigned char*)dst)[i];
    ((unsigned char*)dst)[i] = {row.meaning};
  }}
}}"""


def _pool(row: Pool) -> str:
    extents = ("channel", "height", "width", "kernel_h", "kernel_w")
    rules: Rules = (
        ("kernel_h > 0 && kernel_w > 0", "a kernel's extent is positive"),
        ("stride_h > 0 && stride_w > 0", "a stride is positive"),
        ("kernel_h <= height && kernel_w <= width", "the kernel is not larger than the image"),
    )
    if row.channel_bytes > 1:
        rules = (
            *rules,
            (
                f"!XP_STRICT || channel * size % {row.channel_bytes} == 0",
                f"the channels take a multiple of {row.channel_bytes} bytes",
            ),
        )
    result = "I* dst" if row.index else "T* dst"
    template = "template <class I, class T>" if row.index else "template <class T>"
    kind = (
        f'static_assert(XpInteger<I>::value && sizeof(I) == sizeof(T), "{row.name} gives indices '
        'as wide as its elements");'
        if row.index
        else ""
    )
    step = (
        f"const auto last = r; r = {row.step}; if (r != last) best = ky * kernel_w + kx;"
        if row.index
        else f"r = {row.step};"
    )
    end = "best" if row.index else f"T({row.scale})"
    return f"""{template}
XP_INTRINSIC void {row.name}({result}, const T* src, {_integers(extents)}, int stride_w_,
                             int stride_h_, {AT}) {{
  {type_check(row.name, "T", row.dtypes)} {kind}
  const long long size = sizeof(T){_widened((*extents, "stride_w", "stride_h"))};
  {rule_checks(row.name, rules)}
  const long long oh = (height - kernel_h) / stride_h + 1, ow = (width - kernel_w) / stride_w + 1;
  const long long total = oh * ow * channel * size, whole = height * width * channel * size;
  {write(row.name, "dst", "total")} {read(row.name, "the source", "src", "whole")}
  {overlap(row.name, "total", "src", "whole", in_place=False)}
  const float k = kernel_h * kernel_w;
  for (long long y = 0; y < oh; ++y) for (long long x = 0; x < ow; ++x)
    for (long long c = 0; c < channel; ++c) {{
      float r = {row.start};
      unsigned best = 0;
      for (long long ky = 0; ky < kernel_h; ++ky) for (long long kx = 0; kx < kernel_w; ++kx) {{
        const long long pixel = (y * stride_h + ky) * width + x * stride_w + kx;
        const float a = xp_wide(src[pixel * channel + c]);
        {step}
      }}
      dst[(y * ow + x) * channel + c] = {end};
    }}
}}
{template}
XP_INTRINSIC void {row.name}({result}, const T* src, {_integers(extents)}, {AT}) {{
  {row.name}(dst, src, {", ".join(f"{name}_" for name in extents)}, kernel_w_, kernel_h_, at);
}}"""
