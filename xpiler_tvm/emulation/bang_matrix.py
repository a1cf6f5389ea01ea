"""C++ of BANG C's matrix unit, written out from `dialects.bang_matrix`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xpiler_tvm.dialects.bang import LANES, WRAM_ALIGN
from xpiler_tvm.dialects.bang_matrix import CONTRACTIONS, FIXED, POSITION, Contraction, granule

from .bang_pieces import AT, C_TYPES, overlap, read, rule_checks, write


def contractions(wanted: Callable[[str], bool]) -> list[str]:
    """The operations of which `wanted` says yes to the name, in both readings."""
    parts = []
    for mode in ("strict", "lenient"):
        rows = [row for row in CONTRACTIONS if row.mode == mode and wanted(row.name)]
        if rows:
            parts += [f"#if {'' if mode == 'strict' else '!'}XP_STRICT"]
            parts += [text for row in rows for text in (_kernel(row), *_overloads(row))]
            parts += ["#endif"]
    return parts


def _kernel(row: Contraction) -> str:
    """`xp_<name>`: the loops, with every argument there is."""
    name = row.name
    parameters = "".join(f", long long {one}" for one in row.parameters)
    dilation = ", long long dilation_w, long long dilation_h, long long out_w, long long out_h"
    addend = "bias ? xp_wide(bias[f]) : 0"
    if row.partial:
        addend = "xp_wide(partial[t])"
    return f"""template <class D, class S, class W>
XP_INTRINSIC void xp_{name.strip("_")}(XpLine at, D* dst, const S* src, const W* weight,
    const typename XpSame<D>::type* bias, const typename XpSame<D>::type* partial{
        parameters
    }, int fix_pos{dilation if row.dilated else ""}) {{
  {_type_checks(row)}
  {
        rule_checks(
            name,
            (
                (
                    f"fix_pos >= -{POSITION} && fix_pos <= {POSITION}",
                    f"fix_pos is -{POSITION} to {POSITION}",
                ),
                *row.rules,
            ),
        )
    }
  {_alignment(row)}
  const long long filters = {row.filters}, length = {row.length};
  const long long d = xp_bytes<D>({row.targets}), s = xp_bytes<S>({row.sources});
  {write(name, "dst", "d")} {read(name, "the source", "src", "s")}
  {overlap(name, "d", "src", "s", in_place=False)}
  {_weight_checks(row)}
  if (bias) {{
    {read(name, "the bias", "bias", "xp_bytes<D>(filters)")}
    {overlap(name, "d", "bias", "xp_bytes<D>(filters)", in_place=False)}
  }}
  if (partial) {{
    {read(name, "the partial sum", "partial", "d")} {
        overlap(name, "d", "partial", "d", in_place=True)
    }
  }}
  {_loops(row.outputs)} {{
    const long long t = {row.target}, f = {row.filter};
    {_filter(row)}
    typename XpSum<S, W>::type sum = 0;
    {_loops(row.reduced)}
      sum += (decltype(sum))xp_at(src, {row.source}) * (decltype(sum))xp_at(base, {_index(row)});
    dst[t] = xp_result<D>(xp_scaled(sum, fix_pos) + ({addend}));
  }}
}}"""


def _loops(extents: tuple[tuple[str, str], ...]) -> str:
    return " ".join(
        f"for (long long {name} = 0, end_{name} = {extent}; {name} < end_{name}; ++{name})"
        for name, extent in extents
    )


def _weight_checks(row: Contraction) -> str:
    name, role = row.name, "the weight"
    if row.flat:
        return read(name, role, "weight", "xp_bytes<W>(filters * length)", "XP_WEIGHTS")
    total = f"bank ? bank * {LANES - 1} + in_bank : {LANES} * in_bank"
    return f"""const long long bank = xp_lanes(weight), rows = filters / {LANES};
  const long long in_bank = xp_bytes<W>(rows * length);
  if ((unsigned long long)weight % {WRAM_ALIGN}) {{
    xp_fail(5002, at.line, "{name}: the address of weights is a multiple of {WRAM_ALIGN}");
  }}
  {read(name, role, "weight", total, "XP_WEIGHTS")}"""


def _filter(row: Contraction) -> str:
    """Where the weights of filter `f` begin: element `first` of `base`."""
    if row.flat:
        return "const W* base = weight;"
    return f"""const W* base = bank ? (const W*)((const char*)weight + f % {LANES} * bank) : weight;
    const long long first = (bank ? f / {LANES} : f % {LANES} * rows + f / {LANES}) * length;"""


def _index(row: Contraction) -> str:
    return row.flat or f"first + {row.place}"


def _type_checks(row: Contraction) -> str:
    if not row.types:
        return ""
    return (
        f"static_assert(XpOneOf<XpTypes<D, S, W>, {_triples(row.types)}>::value, "
        f'"{row.name} has no form for these types");'
    )


def _bias_check(row: Contraction) -> str:
    if not row.types:
        return ""
    fixed = [one for one in row.types if one in FIXED]
    return (
        f"static_assert(XpOneOf<XpTypes<D, S, W>, {_triples(fixed)}>::value, "
        f'"{row.name} has a bias for products of integers only");'
    )


def _triples(types: Iterable[tuple[str, str, str]]) -> str:
    return ", ".join(f"XpTypes<{_names(one)}>" for one in types)


def _names(triple: tuple[str, str, str]) -> str:
    return ", ".join(C_TYPES[dtype] for dtype in triple)


def _alignment(row: Contraction) -> str:
    """Each pixel's part of a filter fills whole words, whose size follows from the types."""
    if not row.aligned:
        return ""
    words = " : ".join(
        f"sizeof(S) == {ratio} * sizeof(W) ? {granule(ratio, 1)}" for ratio in (4, 2)
    )
    return f"""const long long granule = {words} : {granule(1, 1)};
  if (xp_bytes<W>({row.aligned}) % granule) {{
    xp_fail(5002, at.line, "{row.name}: {row.aligned} is %lld; the weights of a pixel take a "
            "multiple of %lld bytes", (long long){row.aligned}, granule);
  }}"""


def _overloads(row: Contraction) -> list[str]:
    """`name` without and with a bias."""
    parameters = ", ".join(f"int {one}" for one in row.parameters)
    values = ", ".join(row.parameters)
    tail, position = ", int fix_pos = 0", "fix_pos"
    if row.position == "required":
        tail = ", int fix_pos"
    if row.dilated:
        tail = "".join(f", int tail{i} = XP_NOT_GIVEN" for i in range(5))
        position = "XpTail(tail0, tail1, tail2, tail3, tail4)"
    operands = {"": "const W* weight", "behind": "const W* weight, const D* bias",
                "before": "const D* bias, const W* weight"}  # fmt: skip
    found = []
    for bias in ("", row.bias)[: 1 + bool(row.bias)]:
        given, partial = operands[bias], "nullptr"
        if row.partial:
            given, partial = "const W* weight, const D* partial", "partial"
        arguments = f"at, dst, src, weight, {'bias' if bias else 'nullptr'}, {partial}, {values}"
        if row.dilated:
            call = f"const XpTail tail = {position}; xp_{row.name.strip('_')}({arguments}, "
            call += "tail.fix_pos, tail.dilation_w, tail.dilation_h, tail.out_w, tail.out_h);"
        else:
            call = f"xp_{row.name.strip('_')}({arguments}, {position});"
        found.append(f"""template <class D, class S, class W>
XP_INTRINSIC void {row.name}(D* dst, const S* src, {given}, {parameters}{tail}, {AT}) {{
  {_bias_check(row) if bias else ""}
  {call}
}}""")
    return found
