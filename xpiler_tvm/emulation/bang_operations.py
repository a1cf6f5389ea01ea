"""C++ of BANG C's operations, written out from the tables of `dialects`: those a text mentions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from math import isfinite

from xpiler_tvm.dialects.bang import BARRIERS, DIRECTIONS, FILLS, SYNCS, Fill
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise
from xpiler_tvm.dialects.bang_names import UNSUPPORTED
from xpiler_tvm.dialects.bang_reductions import (
    ATOMICS,
    BLOCK_BYTES,
    EXTREMES,
    FOLDS,
    HEADER_BYTES,
    PACKINGS,
    Atomic,
    Extreme,
    Fold,
    Packing,
)

from .bang_conversions import conversions, scalar_casts
from .bang_layouts import layouts
from .bang_matrix import contractions
from .bang_pieces import AT, C_TYPES, overlap, read, type_check, write

_WORD = re.compile(r"\b__\w+")


def operations(text: str, arch: str) -> str:
    """C++ of every operation that `text` mentions and `arch` has.

    Where `text` pastes names together (`##`), that is all of them.
    """
    every, words = "##" in text, set(_WORD.findall(text))

    def wanted(name: str) -> bool:
        return every or name in words

    rows = sorted((r for r in ELEMENTWISE if wanted(r.name) and r.on(arch)), key=_signature)
    parts = [_elementwise(list(group)) for _, group in groupby(rows, _signature)]
    for table, define in _TABLES:
        parts += [define(row) for row in table if wanted(row.name)]
    parts += [_sync(name, SYNCS[name]) for name in SYNCS if wanted(name)]
    parts += [_barrier(name) for name in BARRIERS if wanted(name)]
    parts += [_refusal(name) for name in UNSUPPORTED if name in words]
    parts += [*layouts(wanted), *contractions(wanted), *conversions(wanted), *scalar_casts(wanted)]
    return "\n".join(parts)


def _signature(row: Elementwise) -> tuple[object, ...]:
    return row.name, row.operands, row.scratch, row.selector


def _elementwise(rows: Sequence[Elementwise]) -> str:
    """One function of all rows with the same arguments, which differ in their element types."""
    row = rows[0]
    names = "abc"[: len(row.operands)]
    size = "xp_bytes<T>(n)"
    target = "(n + 7) / 8" if row.packed else size
    arguments = [f"Xp_{row.selector}"] if row.selector else []
    arguments.append("D* dst" if row.packed else "T* dst")
    checks, loads = [write(row.name, "dst", target)], []
    for position, (name, kind) in enumerate(zip(names, row.operands, strict=True)):
        if kind == "scalar":
            arguments.append(f"typename XpSame<T>::type {name}_")
            loads.append(f"const auto {name} = xp_wide({name}_);")
            continue
        cycle = kind == "cycle"
        bytes_of, index = ("xp_bytes<T>(period)", "i % period") if cycle else (size, "i")
        in_place = row.in_place and not cycle and not row.packed
        arguments.append(f"const T* {name}_")
        checks.append(read(row.name, f"operand {position + 1}", f"{name}_", bytes_of))
        checks.append(overlap(row.name, target, f"{name}_", bytes_of, in_place=in_place))
        loads.append(f"const auto {name} = xp_wide({name}_[{index}]);")
    vectors = [
        f"{name}_" for name, kind in zip(names, row.operands, strict=True) if kind != "scalar"
    ]
    scratches = [f"scratch{position}" for position in range(row.scratch)]
    for position, name in enumerate(scratches):
        arguments.append(f"T* {name}")
        checks.append(write(row.name, name, size, "the scratch"))
        checks += [
            overlap(row.name, size, other, size, in_place=False, target=name)
            for other in ("dst", *vectors, *scratches[:position])
        ]
    arguments.append("int n")
    if "cycle" in row.operands:
        arguments.append("int period")
        said = "%d elements, no multiple of the period %d"
        checks.insert(0, _fails(row.name, "period <= 0 || n % period", said, "n, period"))
    elif row.selector:
        # The last argument counts the elements of vectors that there are none of.
        arguments.append("int = 0")
    if row.packed:
        checks.insert(0, _fails(row.name, "n % 8", "%d bits do not fill bytes", "n"))
    if row.multiple > 1:
        checks.insert(0, _fails(row.name, f"{size} % {row.multiple}",
                                f"%lld bytes, no multiple of {row.multiple}", size))  # fmt: skip
    # What is in the scratch afterwards is nobody's to use.
    ruins = [f"xp_set({name}, 0xff, {size});" for name in scratches]
    dtypes = [dtype for one in rows for dtype in one.dtypes]
    informal = [dtype for one in rows for dtype in one.informal]
    template = "template <class D, class T>" if row.packed else "template <class T>"
    return f"""{template}
XP_INTRINSIC void {row.name}({", ".join(arguments)}, {AT}) {{
  {type_check(row.name, "T", dtypes, informal)}
  {" ".join(checks)}
  xp_elements(true);
  {_elementwise_loop(rows, " ".join(loads))}
  xp_elements(false);
  {" ".join(ruins)}
}}"""


def _elementwise_loop(rows: Sequence[Elementwise], loads: str) -> str:
    row = rows[0]
    if row.packed:
        return f"""unsigned char* bits = (unsigned char*)dst;
  for (int first = 0; first < n; first += 8) {{
    unsigned word = 0;
    for (int i = first; i < first + 8; ++i) {{
      {loads} word |= (unsigned)({row.meaning}) << (i - first);
    }}
    bits[first / 8] = word;
  }}"""
    if row.domain:
        return _bounded_loop(row, loads)
    text = ""
    for position, one in enumerate(rows):
        types = ", ".join(C_TYPES[dtype] for dtype in (*one.dtypes, *one.informal))
        last = position == len(rows) - 1
        test = "" if last else f"if constexpr (XpOneOf<T, {types}>::value) "
        text += (
            f"{' else ' if position else ''}{test}{{ {_guard(one)} dst[i] = T({one.meaning}); }}"
        )
    return f"for (int i = 0; i < n; ++i) {{ {loads} {text} }}"


def _guard(row: Elementwise) -> str:
    """Integers have no quotient by zero."""
    if not re.search(r"[/%] b\b", row.meaning):
        return ""
    return (
        f'if (XpInteger<T>::value && b == 0) xp_fail(5006, at.line, "{row.name}: element %d is '
        'divided by zero", i);'
    )


def _bounded_loop(row: Elementwise, loads: str) -> str:
    """In strict mode the function of the hardware: NaN, and a finding, where it is undefined."""
    low, high = row.domain or (0.0, 0.0)
    value, undefined = row.meaning, []
    sides = ((f"a < {low!r}f", row.below, low), (f"a > {high!r}f", row.above, high))
    for test, outside, bound in sides:
        if not isfinite(bound):
            continue
        value = f"XP_STRICT && {test} ? {outside or 'NAN'} : {value}"
        undefined += [] if outside else [test]
    if row.condition:
        value = f"XP_STRICT && a == a && !({row.condition}) ? NAN : {value}"
        undefined.append(f"(a == a && !({row.condition}))")
    loop = "for (int i = 0; i < n; ++i) {{ {loads} {count} dst[i] = T({value}); }}"
    if not undefined:
        return loop.format(loads=loads, count="", value=value)
    count = f"outside += XP_STRICT && ({' || '.join(undefined)});"
    where = f"{low:g} to {high:g}" + (f" with {row.condition}" if row.condition else "")
    return f"""int outside = 0;
  {loop.format(loads=loads, count=count, value=value)}
  if (outside) {{
    xp_finding("range", at.line, dst, xp_bytes<T>(n), "{row.name}: %d of %d operands lie outside "
               "{where}, where the result is undefined", outside, n);
  }}"""


def _fails(name: str, condition: str, message: str, arguments: str) -> str:
    return f'if ({condition}) xp_fail(5002, at.line, "{name}: {message}", {arguments});'


def _fill(row: Fill) -> str:
    space = f"XP_{row.space}"
    if row.zero:
        return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, int n, {AT}) {{
  {write(row.name, "dst", "xp_bytes<T>(n)", space=space)}
  for (int i = 0; i < n; ++i) dst[i] = T(0);
}}"""
    strides, loops, extent = "", "", "xp_bytes<E>(n)"
    place = "(E*)dst"
    checks = ""
    text = ""
    for strided in (False, True)[: 1 + row.strided]:
        if strided:
            strides = ", int stride0, int count1, int stride1, int count2"
            negative = " || ".join(f"{x} < 0" for x in ("count1", "count2", "stride0", "stride1"))
            said = "a stride or a count less one is negative: %d, %d"
            checks = _fails(row.name, negative, said, "count1, count2")
            extent = "xp_bytes<E>(n) + (long long)stride0 * count1 + (long long)stride1 * count2"
            loops = "for (int k = 0; k <= count2; ++k) for (int j = 0; j <= count1; ++j) "
            place = "(E*)((char*)dst + (long long)j * stride0 + (long long)k * stride1)"
        text += f"""template <class T, class V>
XP_INTRINSIC void {row.name}(T* dst, int n, V value{strides}, {AT}) {{
  static_assert(!XP_STRICT || !XpOneOf<V, double>::value,
                "{row.name}: there are no vectors of double; cast the value");
  static_assert(sizeof(V) <= 4 || XpOneOf<V, double>::value,
                "{row.name}: the value's type is no element type");
  typedef typename XpFilled<T, V>::type E;
  {checks}
  {write(row.name, "dst", extent, space=space)}
  {loops}for (int i = 0; i < n; ++i) ({place})[i] = E(value);
}}
"""
    return text


def _fold(row: Fold) -> str:
    step = f"const auto a = xp_wide(src[i]); r = {row.step};"
    checks = read(row.name, "the source", "src", "xp_bytes<T>(n)")
    kind = type_check(row.name, "T", row.dtypes)
    if row.result == "returned":
        return f"""template <class T>
XP_INTRINSIC T {row.name}(const T* src, int n, {AT}) {{
  {kind} {checks}
  float r = {row.start};
  for (int i = 0; i < n; ++i) {{ {step} }}
  return T(r);
}}"""
    if row.result == "word":
        return f"""template <class T>
XP_INTRINSIC void {row.name}(unsigned* dst, const T* src, int n, {AT}) {{
  {kind} {write(row.name, "dst", "4")} {checks}
  {overlap(row.name, "4", "src", "xp_bytes<T>(n)", in_place=False)}
  auto r = {row.start};
  for (unsigned i = 0; i < (unsigned)n; ++i) {{ {step} }}
  *dst = r;
}}"""
    return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, const T* src, int n, {AT}) {{
  const int block = {BLOCK_BYTES} / sizeof(T);
  const long long last = xp_bytes<T>((n - 1) / block * block + 1);
  {kind} {checks} {write(row.name, "dst", "last")}
  {overlap(row.name, "last", "src", "xp_bytes<T>(n)", in_place=True)}
  for (int first = 0; first < n; first += block) {{
    float r = {row.start};
    for (int i = first; i < first + block && i < n; ++i) {{ {step} }}
    dst[first] = T(r);
  }}
}}"""


def _extreme(row: Extreme) -> str:
    return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, const T* src, int n, {AT}) {{
  {type_check(row.name, "T", row.dtypes)}
  const long long result = sizeof(T) + sizeof(unsigned);
  {read(row.name, "the source", "src", "xp_bytes<T>(n)")} {write(row.name, "dst", "result")}
  {overlap(row.name, "result", "src", "xp_bytes<T>(n)", in_place=False)}
  unsigned best = 0;
  auto r = xp_wide(src[0]);
  for (int i = 1; i < n; ++i) {{
    const auto a = xp_wide(src[i]);
    if ({row.better}) best = i, r = a;
  }}
  dst[0] = src[best];
  xp_copy(dst + 1, &best, sizeof best);
}}"""


def _packing(row: Packing) -> str:
    result, before = ("unsigned" if row.count == "returned" else "void"), "0"
    if row.count == "header":
        before = f"{HEADER_BYTES} / (int)sizeof(T)"
    ends = {
        "none": "",
        "returned": "return count;",
        "header": "xp_copy(dst, &count, sizeof count);",
    }[row.count]
    return f"""template <class T>
XP_INTRINSIC {result} {row.name}(T* dst, const T* src, const T* mask, int n, {AT}) {{
  {type_check(row.name, "T", row.dtypes)}
  {read(row.name, "the source", "src", "xp_bytes<T>(n)")}
  {read(row.name, "the mask", "mask", "xp_bytes<T>(n)")}
  unsigned count = 0;
  for (int i = 0; i < n; ++i) count += xp_wide(mask[i]) != 0;
  const long long room = xp_bytes<T>({before} + count);
  if (room) {{
    {write(row.name, "dst", "room")}
    {overlap(row.name, "room", "src", "xp_bytes<T>(n)", in_place=row.count != "header")}
    {overlap(row.name, "room", "mask", "xp_bytes<T>(n)", in_place=False)}
  }}
  T* next = dst + {before};
  for (int i = 0; i < n; ++i) {{
    if (xp_wide(mask[i]) != 0) *next++ = src[i];
  }}
  {ends}
}}"""


def _atomic(row: Atomic) -> str:
    return f"""template <class T>
XP_INTRINSIC void {row.name}(T* dst, const T* src, int n, {AT}) {{
  {type_check(row.name, "T", row.dtypes)}
  {write(row.name, "dst", "xp_bytes<T>(n)", space="XP_GDRAM")}
  {read(row.name, "the source", "src", "xp_bytes<T>(n)")}
  for (int i = 0; i < n; ++i) {{
    const auto a = xp_wide(src[i]);
    XpAtomicScope scope(dst + i, sizeof(T));
    const auto r = xp_wide(dst[i]);
    dst[i] = T({row.meaning});
  }}
}}"""


def _sync(name: str, directions: Sequence[str]) -> str:
    mask = sum(1 << DIRECTIONS.index(one) for one in directions)
    return f"""inline void {name}(...) {{
  xp_finish_copies({mask:#x}u);
  __asm__ volatile("" ::: "memory");
}}"""


def _barrier(name: str) -> str:
    return f"""inline void {name}(int line = __builtin_LINE()) {{
  xp_meet(XP_MEET_{BARRIERS[name].upper()}, line);
  __asm__ volatile("" ::: "memory");
}}"""


def _refusal(name: str) -> str:
    return f"""template <class... Given>
inline void {name}(Given...) {{
  static_assert(sizeof...(Given) < 0, "{name}: {UNSUPPORTED[name]}");
}}"""


_TABLES: tuple[tuple[Sequence, Callable[..., str]], ...] = (
    (FILLS, _fill),
    (FOLDS, _fold),
    (EXTREMES, _extreme),
    (PACKINGS, _packing),
    (ATOMICS, _atomic),
)
