"""What an evaluation knows and notes: names, buffers, and whether accesses are in bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property

import tvm_ffi
from tvm import sym, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, Span
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import Buffer, Expr, Var

from .. import ir
from ..arenas import Arena
from ..arithmetic import Arithmetic
from ..program import Branch, Statement, Store
from ..values import Address
from .ids import ids_of
from .questions import walk
from .sizes import Sizes
from .state import FAULT, Env, FieldPointer, Findings, Frame, Kept, Place, Site

_FROM_ABOVE = {tirx.LT: True, tirx.LE: True, tirx.GT: False, tirx.GE: False}
"""Comparisons, and whether the left side is bounded from above where they hold."""


def _unwrapped(expr: Expr) -> Expr:
    """An index in int32 as if nothing wrapped: without the casts and masks of unsigned sums."""
    if isinstance(expr, tirx.IntImm) and abs(int(expr.value)) <= tir.INT32_MAX:
        return tir.const(int(expr.value), "int32")
    if isinstance(expr, tirx.Cast):
        return _unwrapped(expr.value)
    if isinstance(expr, tirx.Add | tirx.Sub | tirx.Mul):
        return type(expr)(_unwrapped(expr.a), _unwrapped(expr.b))
    if isinstance(expr, tirx.BitwiseAnd) and tir.as_const(expr.b) == (1 << 32) - 1:
        return _unwrapped(expr.a)
    if isinstance(expr, tirx.LShift) and (bits := tir.as_const(expr.b)) is not None:
        return _unwrapped(expr.a) * tir.const(1 << bits, "int32")
    return expr if tir.dtype_of(expr) == "int32" else tirx.Cast("int32", expr)


class Accesses:
    """What an evaluation knows and notes: names, buffers, and whether accesses are in bounds."""

    def __init__(self, unit: ir.Unit, kernel: Kernel, findings: Findings, watched: bool) -> None:
        self.unit = unit
        self.source = kernel
        self.findings = findings
        self.analyzer = sym.Analyzer()
        self.math = Arithmetic(self.analyzer)
        self.math.rounds_bfloat16 = kernel.dialect in ("cuda", "hip")
        self.env: Env = {}
        self.types: dict[int, ir.Type] = {}
        self.out: list[Statement] = []
        self.unwanted: ir.Expr | None = None
        self.frames: list[Frame] = []
        self.objects: dict[int, Address] = {}
        self.arenas: dict[int, list[Arena]] = {}
        self.declared: dict[Buffer, int] = {}
        self.variables: dict[Buffer, int] = {}
        self.byte_views: dict[Buffer, Arena] = {}
        self.spaces: dict[Buffer | Arena, str] = {}
        self.banked: dict[Buffer | Arena, bool] = {}
        self.shared: list[Buffer] = []
        self.returned: Place | None = None
        self.records: set[int] = set()  # objects kept as values: nobody takes their place
        self.kept: dict[Buffer, Kept] = {}
        self.pointers: dict[Buffer, FieldPointer] = {}
        self.tables: list[Statement] = []
        self.names: dict[str, int] = {}
        self.param_of: dict[Buffer, str] = {}
        self.extents: dict[str, int] = {}
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.scratch: dict[str, Buffer] = {}
        self.fault = tirx.decl_buffer((2,), "int64", FAULT.name) if watched else None
        self.proved = 0
        self.sites: list[Site] = []
        self.path: list[Expr] = self.math.path
        self.origin: dict[Buffer, str] = {}
        self.definitions: dict[Buffer, Expr | None] = {}
        self.started: dict[Buffer, set[str]] = {}
        self.until: list[Expr] = []
        self.value_ranges: dict[str, tuple[int, int]] = {}
        self.placed: set[str] = set()
        self.watches: list[Statement] = []
        self.symbolic: list[Var] = []
        self.sizes = Sizes(kernel, self.analyzer)
        self.ids = ids_of(kernel, self.math, self.sizes)
        self.special = self.ids.names

    @cached_property
    def changed(self) -> set[int]:
        """Variables that may be assigned behind their declaration, by any name."""
        found: set[int] = set()
        methods = [one for known in self.unit.classes.values() for one in known.methods.values()]
        for node in walk((tuple(self.unit.functions.values()), tuple(methods))):
            targets: list[ir.Expr | None] = []
            if isinstance(node, ir.Assign):
                targets = [node.target]
            elif isinstance(node, ir.Unary) and node.op.endswith(("&", "++", "--")):
                targets = [node.value]
            elif isinstance(node, ir.Variable) and isinstance(node.type, ir.Reference):
                targets = [node.init]
            elif isinstance(node, ir.Call) and isinstance(node.callee, ir.Name):
                called = self.unit.functions.get(node.callee.ident)
                if called and any(isinstance(one.type, ir.Reference) for one in called.params):
                    targets = [*node.args]
            found |= {one.ident for one in targets if isinstance(one, ir.Name)}
        return found

    def _name(self, hint: str) -> str:
        count = self.names.get(hint, 0)
        self.names[hint] = count + 1
        return hint if count == 0 else self._name(f"{hint}_{count}")

    def buffer(self, hint: str, dtype: str, extent: Expr | int, scope: str) -> Buffer:
        return tirx.decl_buffer((extent,), dtype, self._name(hint), scope=scope)

    def counter(self, hint: str, extent: Expr | int) -> Var:
        """A loop variable of its own from 0 to `extent`."""
        dtype = "int32" if isinstance(extent, int) else tir.dtype_of(extent)
        var = tirx.Var(self._name(hint), dtype)
        self.bind(var, extent)
        return var

    def bind(self, var: Var, extent: Expr | int) -> None:
        """Notes that a variable counts from 0 to `extent`."""
        self.analyzer.bind(var, Range(0, extent))
        self.sizes.bound(var, extent)

    def emit(self, statement: Statement) -> None:
        self.out.append(statement)

    def refuse_symbolic(self, expr: Expr, what: str, span: Span) -> None:
        """Raises `LiftError` XP2003 where `expr`, which must be known, rests on a free scalar."""
        for var in (*self.symbolic, *self.sizes.names.values()):
            if tir.uses(expr, [var]):
                raise LiftError(
                    "XP2003",
                    f"{var.name!r} has no value, and {what} depends on it",
                    span=span,
                    hint=f"bind it: --arg {var.name}=512, or xt.Scalar({var.name!r}, value=512)",
                )

    def _touch(self, buffer: Buffer, index: Expr, kind: set[str], span: Span) -> Expr:
        """Notes an access: who is read and written, how far, and whether that is in bounds.

        Gives the index to use: in a watched program one that cannot leave the array.
        """
        name = self.param_of.get(buffer)
        low, high = self.math.bounds(index)
        extent = tir.constant_or_self(buffer.shape[0])
        fixed = isinstance(extent, int)
        if name is not None:
            kind.add(name)
            self.extents[name] = max(self.extents[name], high + 1)
        inside = (index >= 0, index < extent)
        if (fixed and low >= 0 and high < extent) or (
            not tir.has_load(index) and all(map(self.sizes.holds, inside))
        ):
            self.proved += 1
            return index
        if not tir.has_load(index) and ((fixed and low >= extent) or high < 0):
            raise LiftError(
                "XP2006",
                f"{buffer.name!r} has {extent} elements, this is element {low}"
                + (f" to {high}" if high != low else ""),
                span=span,
            )
        self.sites.append(Site(name or buffer.name, extent, span))
        if fixed:
            self._trust(index, extent)
        if self.fault is None:
            return index
        self._watch(index, extent)
        last = tirx.Cast(tir.dtype_of(index), tir.as_expr(extent) - 1)
        return tirx.max(tirx.min(index, last), tir.const(0, tir.dtype_of(index)))

    def _trust(self, index: Expr, extent: int) -> None:
        """Notes what an integer input must hold for `index`, which it is part of, to be valid.

        `table[ids[i]*64 + c]` with 6400 elements and `c < 64` needs `0 <= ids[i] < 100`. What the
        kernel tests itself needs nothing: a value that is compared with a bound has none there.
        """
        for load in tir.loads(index):
            self._trust_end(index, load, extent)
        index = tir.map_loads(index, self._defined)
        loads = tir.loads(index)
        within = [inner for load in loads for at in load.indices for inner in tir.loads(at)]
        found = [
            load
            for load in loads
            if self._source(load) is not None and not any(load.same_as(each) for each in within)
        ]
        if len(found) != 1:
            return
        (load,) = found
        name = self._source(load)
        assert name is not None
        limits = self._limits(index, load, extent)
        below, above = self._tested(name)
        if limits is None or (below and above):
            return
        least, most = limits
        self._note_range(name, min(least, -most) if below else least, 2 * most if above else most)

    def _defined(self, load: Expr) -> Expr:
        """What a local variable always is, where an input is part of it."""
        value, ident = self.definitions.get(load.source), self.variables.get(load.source)
        if value is None or ident in self.changed or self._source(load) is not None:
            return load
        known = any(self._source(inner) is not None for inner in tir.loads(value))
        return value if known else load

    def _trust_end(self, index: Expr, load: Expr, extent: int) -> None:
        """Notes what the end of a loop must be, and the start, for its counter to be an index.

        `for (k = rows[i]; k < rows[i + 1]; ++k) values[k]` needs `0 <= rows[i] <= extent`.
        """
        tests = [part for test in self.until for part in tir.conjuncts(test)]
        for test in tests:
            if not isinstance(test, tirx.LT | tirx.LE) or not tir.same(test.a, load):
                continue
            ends = [each for each in tir.loads(test.b) if self._source(each) is not None]
            counted = self._limits(index, load, extent)
            if len(ends) != 1 or counted is None:
                continue
            past = counted[1] + (1 if isinstance(test, tirx.LT) else 0)
            limits = self._limits(test.b, ends[0], past + 1)
            if limits is not None:
                names = {self._source(ends[0]), *self.started.get(load.source, ())}
                for name in sorted(each for each in names if each is not None):
                    self._note_range(name, 0, limits[1])

    def _limits(self, index: Expr, load: Expr, extent: int) -> tuple[int, int] | None:
        """The least and the largest value of a read for which `0 <= index < extent`."""
        place = tirx.Var("value", "int32")
        held = load if tir.dtype_of(load) == "int32" else tirx.Cast("int32", load)
        rest = tvm_ffi.structural_map(
            _unwrapped(index), (type(held), lambda node: place if tir.same(node, held) else node)
        )
        if tir.has_load(rest):
            return None
        linear = sym.detect_linear_equation(rest, [place])
        factor = tir.as_const(linear[0]) if linear else None
        if not factor or factor < 0:
            return None
        low, high = self.math.bounds(linear[1])
        high = min([high, *self._bounded(linear[1])])
        return -(low // factor), (extent - 1 - high) // factor

    def _bounded(self, expr: Expr) -> Iterator[int]:
        """What `expr` is at most where it is a multiple of what a test on the way here bounds.

        `300*bx + 75*ty <= 750` where `4*bx + ty < 11`.
        """
        names = tir.variables(expr)
        for test in self.path:
            if not isinstance(test, tirx.LT) or (limit := tir.as_const(test.b)) is None:
                continue
            forms = [sym.detect_linear_equation(each, names) for each in (expr, _unwrapped(test.a))]
            found = [[tir.as_const(part) for part in form] for form in forms]
            ours, tested = ([part for part in form if part is not None] for form in found)
            if not names or [len(ours), len(tested)] != [len(names) + 1] * 2 or not tested[0]:
                continue
            times = ours[0] // tested[0]
            if times > 0 and ours[:-1] == [times * part for part in tested[:-1]]:
                yield times * (limit - 1 - tested[-1]) + ours[-1]

    def _note_range(self, name: str, least: int, most: int) -> None:
        known = self.value_ranges.get(name, (least, most))
        if max(least, known[0]) <= min(most, known[1]):
            self.value_ranges[name] = max(least, known[0]), min(most, known[1])

    def _tested(self, name: str) -> tuple[bool, bool]:
        """Whether tests on the way here bound the elements of an input from below, and from above.

        One that is not understood may do both; equalities do neither.
        """
        sides: set[str] = set()
        pending = [(test, True) for test in self.path]
        while pending:
            test, holds = pending.pop()
            if isinstance(test, tirx.Not):
                pending.append((test.a, not holds))
            elif isinstance(test, tirx.And | tirx.Or):
                pending += [(test.a, holds), (test.b, holds)]
            elif isinstance(test, tirx.EQ | tirx.NE):
                continue
            elif any(self._source(load) == name for load in tir.loads(test)):
                plain = [
                    isinstance(side, tir.Load) and self._source(side) == name
                    for side in (getattr(test, "a", None), getattr(test, "b", None))
                ]
                if type(test) in _FROM_ABOVE and plain in ([True, False], [False, True]):
                    above = _FROM_ABOVE[type(test)] == holds
                    sides.add("above" if above == plain[0] else "below")
                else:
                    sides |= {"below", "above"}
        return "below" in sides, "above" in sides

    def _source(self, load: Expr) -> str | None:
        """The input that a read gives an element of, directly or through a local copy."""
        name = self.param_of.get(load.source) or self.origin.get(load.source)
        if name is None or not str(load.source.dtype).startswith(("int", "uint")):
            return None
        return name

    def unseen(self) -> Expr:
        """Whether a watched program has met no access out of bounds yet."""
        assert self.fault is not None
        return tirx.EQ(self.fault[tir.const(0, "int32")], tir.const(0, "int64"))

    def _watch(self, index: Expr, extent: Expr | int) -> None:
        """Stores the site and the index where an access is out of bounds, the first one alone."""
        assert self.fault is not None
        zero, span = tir.const(0, "int32"), self.sites[-1].span
        outside = tirx.Or(index < 0, index >= extent)
        test = outside
        for holds in reversed(self.path):
            test = tirx.if_then_else(holds, test, tir.const(False, "bool"))
        test = tirx.if_then_else(test, self.unseen(), tir.const(False, "bool"))
        note = (
            Store(self.fault, zero, tir.const(len(self.sites), "int64"), span),
            Store(self.fault, tir.const(1, "int32"), tirx.Cast("int64", index), span),
        )
        watch = Branch(test, note, (), span)
        self.watches.append(watch)
        self.emit(watch)

    def only_watches(self, statement: Statement) -> bool:
        """Whether a statement does nothing but to look for accesses out of bounds."""
        return any(statement is watch for watch in self.watches) or (
            isinstance(statement, Branch)
            and not statement.other
            and all(map(self.only_watches, statement.then))
        )

    @contextmanager
    def assuming(self, test: Expr) -> Iterator[None]:
        """Inside, the analyzer takes `test` to hold."""
        scope = nullcontext() if tir.has_load(test) else self.analyzer.constraint_scope(test)
        self.path.append(test)
        try:
            with scope:
                yield
        finally:
            self.path.pop()

    @contextmanager
    def collecting(self) -> Iterator[list[Statement]]:
        """Inside, statements go to a list of their own."""
        outer, self.out = self.out, []
        try:
            yield self.out
        finally:
            self.out = outer

    @contextmanager
    def dry(self) -> Iterator[None]:
        """Inside, statements are read to see what becomes of variables; nothing of it stays."""
        env, names, proved = dict(self.env), dict(self.names), self.proved
        sites, watches, returned = len(self.sites), len(self.watches), self.returned
        divisions, operations = len(self.math.divisions), len(self.math.operations)
        try:
            with self.collecting():
                yield
        finally:
            self.env, self.names, self.proved, self.returned = env, names, proved, returned
            del self.sites[sites:], self.watches[watches:], self.math.divisions[divisions:]
            del self.math.operations[operations:]
