"""A text whose integers come from a table: compiled once, run with many values.

Every site `e` of a text becomes a choice between `e` and what a `Fill` says, of which the kernel
reads the numbers at run time:

    c < cols    ->    (hole_row[30] ? hole_value(3, c < cols, {...}) : (c < cols))

so that a change of the text is a few numbers and no compilation. `rendered` is the same change as
text, and only a text in which changes are written out is ever accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .sites import COMPARISONS, NAMES, Site

# In a row: what is done, then the numbers of a `Fill`.
WIDTH = 10
_OFF, _VALUE, _OPERATE, _LOG, _ALTERNATIVE = range(5)
_OPERATORS = (*COMPARISONS, "+", "-", "*", "/", "%")
PARTS = 4
ITSELF = 1 + PARTS + NAMES
"""The number of the site's own value among the operands of a `Fill`."""
ROWS, LOG = "hole_row", "hole_log"
LOG_ROOM = 1 << 15
LOG_WIDTH = 2 + PARTS + NAMES
"""Numbers in a logged line: the site, its value, its parts, the names in scope."""


@dataclass(frozen=True)
class Fill:
    """What a site `e` becomes: `(times * e + scale * x * y + weight * z + plus) / divide % modulo`.

    `x`, `y` and `z` are numbers of parts and names, part 0 is one: see `operands`. With an
    `operator`, it is `x operator (y + plus)`. Division rounds as in C; `modulo` of zero is none.
    `alternative` is the number, from one, of one of the site's other texts.
    """

    times: int = 1
    scale: int = 0
    x: int = 0
    y: int = 0
    weight: int = 0
    z: int = 0
    plus: int = 0
    divide: int = 1
    modulo: int = 0
    operator: str = ""
    alternative: int = 0

    def row(self) -> list[int]:
        """The numbers that the compiled text reads."""
        if self.alternative:
            return [_ALTERNATIVE, self.alternative, *([0] * (WIDTH - 2))]
        if self.operator:
            number = _OPERATORS.index(self.operator)
            return [_OPERATE, number, self.x, self.y, self.plus, 0, 0, 0, 0, 0]
        head = [_VALUE, self.times, self.scale, self.x, self.y]
        return [*head, self.weight, self.z, self.plus, self.divide, self.modulo]


def operands(site: Site) -> list[str]:
    """The texts that `Fill.x`, `y` and `z` count: one, the parts of the site, names in scope."""
    parts = [part.text for part in site.parts]
    parts += ["0"] * (PARTS - len(parts))
    unused = ["0"] * (NAMES - len(site.names))
    return ["1", *parts, *site.names, *unused, site.text]


# ---------------------------------------------------------------- the text with holes


def prelude(count: int) -> str:
    """What stands before a text with `count` sites."""
    return f"""static long long {ROWS}[{count * WIDTH + 1}];
static long long {LOG}[{1 + LOG_ROOM * LOG_WIDTH}];
struct hole_scope {{ long long v[{ITSELF + 1}]; }};
static __attribute__((noinline)) long long hole_value(
    int site, long long e, hole_scope scope) {{
  const long long* r = {ROWS} + site * {WIDTH};
  long long* v = scope.v;
  v[{ITSELF}] = e;
  if (r[0] == {_OPERATE}) {{
    const long long a = v[r[2]], b = v[r[3]] + r[4];
    switch (r[1]) {{
      case 0: return a < b;
      case 1: return a <= b;
      case 2: return a > b;
      case 3: return a >= b;
      case 4: return a == b;
      case 5: return a != b;
      case 6: return a + b;
      case 7: return a - b;
      case 8: return a * b;
      case 9: return b ? a / b : 0;
      default: return b ? a % b : 0;
    }}
  }}
  if (r[0] == {_LOG}) {{
    if ({LOG}[0] < {LOG_ROOM}) {{
      long long* line = {LOG} + 1 + {LOG}[0]++ * {LOG_WIDTH};
      line[0] = site;
      line[1] = e;
      for (int i = 0; i < {PARTS + NAMES}; ++i) line[2 + i] = v[1 + i];
    }}
    return e;
  }}
  long long value = r[1] * e + r[2] * v[r[3]] * v[r[4]] + r[5] * v[r[6]] + r[7];
  if (r[8] > 1) value /= r[8];
  return r[9] ? value % r[9] : value;
}}
static inline bool hole_burn() {{
  return --{ROWS}[{count * WIDTH}] > 0;
}}
"""


def with_holes(text: str, sites: Sequence[Site]) -> str:
    """The text in which every site reads the table, behind `prelude`, which moves its lines."""
    inner: dict[int, list[Site]] = {}
    holes = {id(site.node) for site in sites}
    roots: list[Site] = []
    by_node = {id(site.node): site for site in sites}
    for site in sites:
        above = next((one for one in site.node.ancestors() if id(one) in holes), None)
        if above is None:
            roots.append(site)
        else:
            inner.setdefault(by_node[id(above)].number, []).append(site)

    def body(start: int, end: int, below: Iterable[Site]) -> str:
        pieces, place = [], start
        for one in sorted(below, key=lambda site: site.node.start):
            pieces += [text[place : one.node.start], hole(one)]
            place = one.node.end
        return "".join([*pieces, text[place:end]])

    def hole(site: Site) -> str:
        node = site.node
        scope = "hole_scope{{" + ", ".join(_scope(site)) + "}}"
        switch = f"{ROWS}[{site.number * WIDTH}]"
        if site.is_step:
            name = node.children[0].text
            step = f"({switch} ? ({node.type})hole_value({site.number}, 1, {scope}) : 1)"
            return _chosen(site, f"{name} += {step}")
        if site.alternatives:
            return _chosen(site, body(node.start, node.end, inner.get(site.number, ())))
        if site.is_pointer:
            return f"({node.text} + ({switch} ? hole_value({site.number}, 0, {scope}) : 0))"
        plain = body(node.start, node.end, inner.get(site.number, ()))
        value = f"({node.type})hole_value({site.number}, ({node.text}), {scope})"
        whole = f"({switch} ? {value} : ({plain}))"
        loop = node.parent is not None and node.parent.kind in ("FOR_STMT", "WHILE_STMT", "DO_STMT")
        return f"(hole_burn() && {whole})" if loop and site.is_condition else whole

    return prelude(len(sites)) + body(0, len(text), roots)


def _chosen(site: Site, text: str) -> str:
    """A statement's text, or one of the site's alternatives."""
    row = site.number * WIDTH
    for number, other in enumerate(site.alternatives, 1):
        chosen = f"{ROWS}[{row}] == {_ALTERNATIVE} && {ROWS}[{row + 1}] == {number}"
        text = f"({chosen} ? (void)({other}) : (void)({text}))"
    return text


def _scope(site: Site) -> list[str]:
    # Parts are read again, beside the site itself: they have no side effects, or are left out.
    return [f"(long long)({text})" if _is_pure(text) else "0LL" for text in operands(site)[:ITSELF]]


def _is_pure(text: str) -> bool:
    calls = re.sub(r"\bsizeof\s*\(", "(", text)
    return not re.search(r"\+\+|--|[^=!<>]=[^=]|\w\s*\(", calls)


def table(
    count: int, fills: Mapping[int, Fill], fuel: int, logged: Iterable[int] = ()
) -> np.ndarray:
    """The rows of `count` sites, of which `fills` are filled and `logged` note their values.

    Loops end after `fuel` iterations of all of them together; what is left stands at the end.
    """
    rows = np.zeros(count * WIDTH + 1, np.int64)
    for number in logged:
        rows[number * WIDTH] = _LOG
    for number, fill in fills.items():
        rows[number * WIDTH : (number + 1) * WIDTH] = fill.row()
    rows[-1] = fuel
    return rows


# ---------------------------------------------------------------- the same as text

_TRAILING = re.compile(r"^(?P<head>.*[^\s+\-*/%(<>=&|,])\s*(?P<sign>[+-])\s*(?P<number>\d+)$", re.S)
_SIMPLE = re.compile(r"[\w.]+|\d+")


def rendered(site: Site, fill: Fill) -> str:
    """The text that stands in the place of a site."""
    if fill.alternative:
        return site.alternatives[fill.alternative - 1]
    names = operands(site)
    if fill.operator:
        one, other = names[fill.x], _plus(names[fill.y], fill.plus)
        text = f"{_grouped(one, fill.operator)} {fill.operator} {_grouped(other, fill.operator)}"
        return text if site.is_condition else _in_place(site, text)
    if site.is_condition:
        return "true" if fill.plus else "false"
    number = _literal(site.text)
    if site.is_step:
        number = 1
    plus = fill.plus
    terms: list[str] = []
    if site.is_pointer:
        terms.append(site.text)
    elif fill.times and number is not None:
        plus += fill.times * number
    elif fill.times:
        terms.append(_product(fill.times, [site.text]))
    if fill.scale:
        factors = [names[place] for place in (fill.x, fill.y) if place]
        if factors:
            terms.append(_product(fill.scale, factors))
        else:
            plus += fill.scale
    if fill.weight and fill.z:
        terms.append(_product(fill.weight, [names[fill.z]]))
    elif fill.weight:
        plus += fill.weight
    text = _plus(_sum(terms), plus) if terms else str(plus)
    if fill.divide > 1:
        text = f"{_grouped(text, '/')} / {fill.divide}"
    if fill.modulo:
        text = f"{_grouped(text, '%')} % {fill.modulo}"
    if site.is_step:
        return f"{site.node.children[0].text} += {text}"
    return _in_place(site, text)


def _in_place(site: Site, text: str) -> str:
    """With parentheses where what stands around would take the text apart."""
    above = site.node.parent
    compound = not _SIMPLE.fullmatch(text)
    if above is None or not compound:
        return text
    if above.kind == "BINARY_OPERATOR":
        if above.operator in ("=", "&&", "||"):
            return text
        if above.operator in COMPARISONS and not re.search(r"[<>&|=]", text):
            return text
        product = re.search(r"[-+*/%<>&|]", text)
        first = above.children[0] is site.node
        if above.operator == "+" and product and not re.search(r"[<>&|=]", text):
            return text
        if above.operator == "-" and first and not re.search(r"[<>&|=]", text):
            return text
        return f"({text})"
    if above.kind in ("CSTYLE_CAST_EXPR", "UNARY_OPERATOR"):
        return f"({text})"
    return text


def _literal(text: str) -> int | None:
    return int(text, 0) if re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", text) else None


def _plus(text: str, plus: int) -> str:
    """`text + plus`, where a number at the text's end takes it in."""
    bare = text[1:-1] if re.fullmatch(r"\([^()]*\)", text) else text
    number = _literal(bare)
    if number is not None:
        return str(number + plus)
    found = _TRAILING.match(bare) if plus else None
    if found and found["head"].count("(") == found["head"].count(")"):
        plus += int(found["number"]) * (1 if found["sign"] == "+" else -1)
        text = found["head"]
    if not plus:
        return text
    return f"{_grouped(text, '+')} {'+' if plus > 0 else '-'} {abs(plus)}"


def _sum(terms: Sequence[str]) -> str:
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text


def _product(factor: int, factors: Sequence[str]) -> str:
    text = " * ".join(_grouped(one, "*") for one in factors)
    if factor == 1:
        return text if len(factors) > 1 else factors[0]
    return f"-{text}" if factor == -1 else f"{text} * {factor}"


def _grouped(text: str, operator: str) -> str:
    """`text` as an operand of `operator`."""
    loose = r"[<>=!&|?]" if operator in "+-" else r"[-+*/%<>=!&|?]"
    if operator in COMPARISONS:
        loose = r"[<>=!&|?]"
    return f"({text})" if re.search(loose, re.sub(r"\([^()]*\)|\[[^\]]*\]", "", text)) else text


def patched(text: str, changes: Iterable[tuple[Site, Fill]]) -> str:
    """The text with changes written out; sites do not lie in one another."""
    for site, fill in sorted(changes, key=lambda change: -change[0].node.start):
        node, new = site.node, rendered(site, fill)
        above = node.parent
        if above is not None and above.kind == "PAREN_EXPR" and _SIMPLE.fullmatch(new):
            node = above  # what is one word needs no parentheses
        text = text[: node.start] + new + text[node.end :]
    return text
