"""Sizes that stay symbolic: their variables, and what is known of them.

Sizes are `int`s of C whatever their parameter's type is: they lie in ranges in which no index
leaves 32 bits.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from tvm import sym, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.extents import Extent, value_of
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import Expr, Var

PROOF_STEPS = 200_000  # what z3 may do for one proof, so that answers do not depend on the machine


class Sizes:
    """The symbolic sizes of a kernel; the analyzer learns their ranges.

    `names` are their variables. Without sizes all extents are numbers, and nothing is done.
    """

    def __init__(self, kernel: Kernel, analyzer: Any) -> None:
        self.analyzer = analyzer
        self.names: dict[str, Var] = {}
        self.limits: dict[Var, Expr] = {}
        self._known = ExitStack()
        # Scopes left to the garbage collector would be left in any order, which ends the process.
        weakref.finalize(self, self._known.close)
        for size in kernel.sizes:
            var = tirx.Var(size.name, "int32")
            most = tir.INT32_MAX if size.most is None else size.most
            analyzer.bind(var, Range(size.least, most + 1))
            if size.multiple > 1:
                whole = tirx.EQ(tirx.floormod(var, size.multiple), 0)
                self._known.enter_context(analyzer.constraint_scope(whole))
            self.names[size.name] = var
        if self.names:
            analyzer.set_z3_rlimit(PROOF_STEPS)

    def of(self, extent: Extent) -> Expr | int:
        """An extent as a number, or as an expression in the variables."""
        value = value_of(extent, self.names)
        if isinstance(value, int):
            return value
        value = self.analyzer.simplify(value)
        known = tir.as_const(value)
        return value if known is None else known

    def product(self, extents: tuple[Extent, ...]) -> Expr | int:
        """The number of elements of a shape."""
        whole: Expr | int = 1
        for extent in extents:
            whole = whole * self.of(extent)
        return whole if isinstance(whole, int) else self.analyzer.simplify(whole)

    def bound(self, var: Var, extent: Expr | int) -> None:
        """Notes that a variable lies below an extent, for `most`."""
        self.limits[var] = extent - 1

    def always(self, var: Var, extent: Expr | int) -> None:
        """`bound`, of a variable that is always there: its range is not empty."""
        self.bound(var, extent)
        if not isinstance(extent, int):
            self._known.enter_context(self.analyzer.constraint_scope(var < extent))

    def inside(self, var: Var, extent: Expr) -> AbstractContextManager[None]:
        """Inside the loop of `var`, whose range is not empty there."""
        if not self.uses(extent):
            return nullcontext()
        return self.analyzer.constraint_scope(var < extent)

    def uses(self, expr: Expr) -> bool:
        return bool(self.names) and tir.uses(expr, self.names.values())

    def holds(self, test: Expr) -> bool:
        """Whether a test holds for all sizes; with sizes, z3 is asked too."""
        if not self.names:
            return bool(self.analyzer.can_prove(test))
        return bool(self.analyzer.can_prove(test, sym.ProofStrength.SYMBOLIC_BOUND))

    def most(self, expr: Expr) -> Expr | None:
        """The largest value of an expression as one in sizes alone; `None` where there is none.

        (n - t + 255) // 256, t < 256    ->    (n + 255) // 256
        """
        for _ in range(8):
            others = [var for var in tir.variables(expr) if not self._is_size(var)]
            if not others:
                return self.analyzer.simplify(expr)
            domain: Mapping[Var, Any] = {
                var: sym.IntervalSet(tir.const(0, "int32"), self.limits[var])
                for var in others
                if var in self.limits
            }
            if len(domain) < len(others):
                return None
            expr = self.analyzer.int_set(expr, domain).max_value
        return None

    def _is_size(self, var: Var) -> bool:
        return any(var.same_as(one) for one in self.names.values())
