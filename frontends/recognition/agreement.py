"""Whether two raised modules are the same TensorIR, and if not, in what they differ.

`canonical_form` is a text without names, orders and unit axes of a program's own:

    for i0, i1 in T.grid(12, 5): y[i0, i1] = f(x[i0, i1])      ->      p1[s0,s1] = f(p0[s0,s1])

Parameters are called by position, intermediates by what is stored in them, spatial axes by their
place in the stored index, reduction axes by their use. Operands that commute are in order.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import tvm
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .building import NoTerm, pieces_of
from .leaves import Leaf, flat_address, leaves_of
from .normal import normalised, signature

_COMMUTATIVE = {"Add", "Mul", "Max", "Min", "And", "Or", "EQ", "NE"}
_PERMUTED = 4  # reduction axes of which all orders are tried


@dataclass(frozen=True)
class _Style:
    """What a text leaves out: shapes of parameters, casts, guards, values of constants."""

    flat: bool = False
    casts: bool = True
    guards: bool = True
    constants: bool = True


_WHOLE = _Style()


def canonical_form(mod: tvm.IRModule) -> str:
    """A text that two modules share where they are the same but for names, the order of blocks,
    axes and operands, and axes of extent one. Opaque modules have only their own text."""
    return _text(mod, _WHOLE)


def difference(mod_a: tvm.IRModule, mod_b: tvm.IRModule) -> str:
    """What tells `mod_b` from `mod_a`, in a few words; empty where the forms are equal."""
    if canonical_form(mod_a) == canonical_form(mod_b):
        return ""
    a, b = mod_a["main"], mod_b["main"]
    types = [[str(getattr(p, "dtype", "")) for p in func.params] for func in (a, b)]
    if types[0] != types[1]:
        return "types of parameters" if len(a.params) == len(b.params) else "other parameters"
    leaves = leaves_of(a), leaves_of(b)
    if leaves[0] is None or leaves[1] is None:
        return "opaque" if (leaves[0] is None) != (leaves[1] is None) else "opaque, other text"
    more = len(leaves[1]) - len(leaves[0])
    if more:
        counted = f"{abs(more)} {'more' if more > 0 else 'fewer'} block{'s' * (abs(more) > 1)}"
        return f"{counted} of the same term" if is_same_term(mod_a, mod_b) else counted
    layouts = [
        str(p.name)
        for p, q in zip(a.params, b.params, strict=True)
        if tirx.is_buffer_var(p) and _shape(p) != _shape(q)
    ]
    layout = f"layout of {', '.join(layouts)}" if layouts else ""
    styles = (
        (_Style(flat=True), layout),
        (_Style(flat=True, casts=False), "casts"),
        (_Style(flat=True, guards=False), "guards"),
        (_Style(flat=True, constants=False), "constants"),
    )
    for style, name in styles:
        if name and _text(mod_a, style) == _text(mod_b, style):
            return name
    ones, twos = _blocks(leaves[0], a, _WHOLE), _blocks(leaves[1], b, _WHOLE)
    differing = [leaf.name for leaf, text in ones if text not in {text for _, text in twos}]
    place = f"of {differing[0]}" if differing else ""
    name = "spelling" if is_same_term(mod_a, mod_b) else "expression"
    return f"{name} {place}".strip()


def is_same_term(mod: tvm.IRModule, other: tvm.IRModule) -> bool:
    """Whether two functions store the same terms, but for the names of what they store to."""
    try:
        ours, theirs = (
            sorted(map(signature, normalised(pieces_of(each["main"]), math.inf)))
            for each in (mod, other)
        )
    except NoTerm:
        return False
    return ours == theirs


def _shape(buffer: Buffer) -> tuple[int, ...]:
    return tuple(int(extent) for extent in buffer.shape if int(extent) != 1)


def _text(mod: tvm.IRModule, style: _Style) -> str:
    func = mod["main"]
    leaves = leaves_of(func)
    if leaves is None:
        return "opaque " + str(func.script())
    params = [
        f"p{place}:{param.dtype}{'' if style.flat else list(_shape(param))}"
        for place, param in enumerate(func.params)
        if tirx.is_buffer_var(param)
    ]
    texts = [text for _, text in _blocks(leaves, func, style)]
    names = {_digest(text): f"t{place}" for place, text in enumerate(sorted(texts))}
    lines = sorted(texts)
    for digest, name in names.items():
        lines = [line.replace(digest, name) for line in lines]
    return "\n".join([" ".join(params), *lines])


def _blocks(leaves: Sequence[Leaf], func: tirx.PrimFunc, style: _Style) -> list[tuple[Leaf, str]]:
    """Each leaf with its text, in which a producer's text is a digest."""
    names: dict[Buffer, str] = {param: f"p{place}" for place, param in enumerate(func.params)}
    found = []
    for leaf in leaves:
        text = min(_orders(leaf, partial(_leaf_text, leaf, names, style)))
        found.append((leaf, text))
        if leaf.buffer not in func.params:
            before = names.get(leaf.buffer, "")
            names[leaf.buffer] = before + _digest(text)
    return found


def _digest(text: str) -> str:
    return "#" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _orders(leaf: Leaf, text: Callable[[Mapping[Var, str]], str]) -> list[str]:
    """The texts of a leaf under all namings of its reduction axes that could be the least."""
    spatial = [var for index in leaf.indices for var in tir.variables(index)]
    spatial += [var for var, _ in leaf.spatial]
    extents = dict(leaf.axes)
    fixed = {
        var: f"s{place}<{extents[var]}>"
        for place, var in enumerate(dict.fromkeys(spatial))
        if var in extents
    }
    reduced = [var for var, _ in leaf.reduced]
    few = len(reduced) <= _PERMUTED
    orders = list(itertools.permutations(reduced)) if few else [tuple(reduced)]
    return [
        text({**fixed, **{var: f"r{place}<{extents[var]}>" for place, var in enumerate(order)}})
        for order in orders
    ]


def _leaf_text(
    leaf: Leaf, names: Mapping[Buffer, str], style: _Style, axes: Mapping[Var, str]
) -> str:
    renderer = _Renderer(names, axes, style)
    # Intermediates are called by what is in them: the text of their own block has no name for them.
    target = names.get(leaf.buffer, "t") if _is_param(names, leaf.buffer) else "t"
    place = renderer.access(target, leaf.buffer, leaf.indices)
    init = "" if leaf.init is None else f" from {renderer.text(leaf.init)}"
    tests = sorted(renderer.text(test) for test in leaf.guard) if style.guards else []
    where = f" where {' and '.join(tests)}" if tests else ""
    return f"{place} {leaf.op}= {renderer.text(leaf.value)}{init}{where}"


def _is_param(names: Mapping[Buffer, str], buffer: Buffer) -> bool:
    return names.get(buffer, "").startswith("p")


@dataclass(frozen=True)
class _Renderer:
    names: Mapping[Buffer, str]
    axes: Mapping[Var, str]
    style: _Style

    def access(self, name: str, buffer: Buffer, indices: Sequence[Expr]) -> str:
        if self.style.flat and name.startswith("p"):
            address = tvm.sym.Analyzer().simplify(flat_address(buffer, tuple(indices)))
            return f"{name}[{self.text(address)}]"
        kept = [i for i, extent in zip(indices, buffer.shape, strict=True) if int(extent) != 1]
        return f"{name}[{','.join(self.text(index) for index in kept)}]"

    def text(self, expr: Expr) -> str:
        if isinstance(expr, tirx.IntImm | tirx.FloatImm):
            return repr(expr.value) if self.style.constants else "c"
        if isinstance(expr, tir.Load):
            return self.access(self.names.get(expr.source, "?"), expr.source, list(expr.indices))
        if isinstance(expr, tirx.Var):
            return self.axes.get(expr, str(expr.name))
        if isinstance(expr, tirx.Cast):
            inner = self.text(expr.value)
            index = tir.is_int(expr) and tir.is_int(expr.value)
            return f"{tir.dtype_of(expr)}({inner})" if self.style.casts and not index else inner
        kind = type(expr).__name__
        if isinstance(expr, tirx.Select):
            parts = [expr.condition, expr.true_value, expr.false_value]
            return f"select({','.join(map(self.text, parts))})"
        if isinstance(expr, tvm.ir.Call):
            name = str(getattr(expr.op, "name", expr.op)).rpartition(".")[2]
            name = "select" if name == "if_then_else" else name
            return f"{name}({','.join(self.text(each) for each in expr.args)})"
        if kind in _COMMUTATIVE:
            operands = _operands(expr, kind)
            if kind == "Add" and tir.is_int(expr):  # what is left of axes of extent one
                operands = [each for each in operands if tir.as_const(each) != 0] or operands[:1]
            texts = sorted(self.text(each) for each in operands)
            return texts[0] if len(texts) == 1 else f"{kind}({','.join(texts)})"
        if kind in ("GT", "GE"):
            return f"{'LT' if kind == 'GT' else 'LE'}({self.text(expr.b)},{self.text(expr.a)})"
        if kind == "Not":
            return f"Not({self.text(expr.a)})"
        if hasattr(expr, "a") and hasattr(expr, "b"):
            return f"{kind}({self.text(expr.a)},{self.text(expr.b)})"
        return str(expr)


def _operands(expr: Expr, kind: str) -> list[Expr]:
    if type(expr).__name__ != kind:
        return [expr]
    return _operands(expr.a, kind) + _operands(expr.b, kind)
