"""Questions that TVM's rewriting does not settle, for z3 under a limit that counts its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

MOST_RESOURCES = 20_000  # of z3


def proved(test: Expr, analyzer: Any) -> bool:
    """Whether a test without memory reads is known to hold; `False` where that is not decided."""
    if analyzer.can_prove(test):
        return True
    analyzer.set_z3_rlimit(MOST_RESOURCES)
    return bool(analyzer.can_prove(test, sym.ProofStrength.SYMBOLIC_BOUND))


def all_different(index: Expr, axes: Sequence[tuple[Var, int]], guard: Sequence[Expr]) -> bool:
    """Whether different points of the axes where the guard holds have different indices."""
    other = {var: tirx.Var(var.name + "_", "int32") for var, _ in axes}
    tests = [test for test in guard if not tir.has_load(test)]
    analyzer = tir.analyzer_for({**dict(axes), **{other[var]: extent for var, extent in axes}})
    same = [tirx.EQ(index, tir.substitute(index, other)), *tests]
    same += [tir.substitute(test, other) for test in tests]
    together = tir.conjunction(same)
    return all(
        proved(tirx.Or(tirx.Not(together), tirx.EQ(var, other[var])), analyzer) for var, _ in axes
    )


def settled(total: Expr, analyzer: Any) -> Expr:
    """A sum with its parts that can only have one value replaced by that value.

    1 <= k < 3: 17*i + 272*(k%2 + k) - 544    ->    17*i
    """
    groups: list[tuple[list[Var], list[Expr]]] = []
    for term in _terms(total, 1):
        names, terms = tir.variables(term), [term]
        for group in [one for one in groups if tir.uses(term, one[0])]:
            groups.remove(group)
            names, terms = group[0] + names, group[1] + terms
        groups.append((names, terms))
    whole: Expr = tir.const(0, tir.dtype_of(total))
    for names, terms in groups:
        part = sum(terms[1:], terms[0])
        value = _only_value(part, names, analyzer) if len(terms) > 1 else None
        whole = whole + (part if value is None else value)
    return whole


def _terms(total: Expr, sign: int) -> Iterator[Expr]:
    if isinstance(total, (tirx.Add, tirx.Sub)):
        yield from _terms(total.a, sign)
        yield from _terms(total.b, sign if isinstance(total, tirx.Add) else -sign)
    else:
        yield total * sign


def _only_value(part: Expr, names: list[Var], analyzer: Any) -> int | None:
    ends = [{var: tir.bounds(analyzer, var)[end] for var in names} for end in (0, 1)]
    if tir.INT_INF in ends[1].values():
        return None
    found = [tir.as_const(analyzer.simplify(tir.substitute(part, _constants(end)))) for end in ends]
    if found[0] is None or found[0] != found[1]:
        return None
    return found[0] if proved(tirx.EQ(part, found[0]), analyzer) else None


def _constants(values: dict[Var, int]) -> dict[Var, Expr]:
    return {var: tir.const(value, tir.dtype_of(var)) for var, value in values.items()}
