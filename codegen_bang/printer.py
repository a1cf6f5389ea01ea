"""Prints device TIR as BANG C: scalar code like every C, innermost loops as vector instructions.

A loop around one store becomes, piece by piece of at most a slot's length,

    for i in range(n):                      __memcpy(v0, x + i, count * 4, GDRAM2NRAM);
        y[i] = exp(x[i])          ->        __bang_mul_scalar(v1, v0, 1.442695f, count);
                                            ...
                                            __memcpy(y + i, v0, count * 4, NRAM2GDRAM);

A loop without a vector form stays a scalar loop over the memory it names, which is always right
and, outside NRAM, always slow.
"""

from __future__ import annotations

from collections.abc import Mapping

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr

from xpiler_tvm.codegen.c_family import (
    SUM,
    dtype_of,
)

from .choices import COMPARISONS
from .copies import BlockCopy, block_copy, rows_of
from .cost import CopyWork
from .loops import (
    Range,
    condition_of,
    conjuncts,
    depends,
    earlier,
    guarded_store,
    later,
    loads,
    sides_of,
    substitute,
)
from .memory import ITEM_BYTES, padded
from .nests import digits
from .pieces import Piece, Rows
from .pipelines import FEWEST_PIECES, Walk, print_pipeline, stages
from .selection import Selection
from .spaces import SpacePrinter
from .vectors import NoVectorForm, Side, Vector, VectorCode
from .whole import print_whole, sets_sums

SHORT = 32
"""Iterations below which a scalar loop may be cheaper: starting an instruction costs the same for
few elements as for many. The model decides."""
MOST_PARTS = 81
"""Of one loop, where its conditions change: three times those of a padded volume."""


class TooManyParts(Exception):
    """Conditions divide a loop into more parts than are worth a text. Never leaves this file."""


class BangPrinter(SpacePrinter):
    """Prints one kernel: each loop as what is modelled to be cheapest."""

    parts = 0  # that the loop at hand has been divided into

    # --- loops ------------------------------------------------------------------------------

    def stmt_SeqStmt(self, node: tirx.SeqStmt) -> None:
        for place, part in enumerate(node.seq):
            if not sets_sums(self, part, node.seq[place + 1 :]):
                self.stmt(part)

    def stmt_For(self, node: tirx.For) -> None:
        node = digits(node, self.analyzer) or node
        # The memory core has no vectors that a single loop could be: its copies are of rows.
        alone = self.on_memory_core and not isinstance(node.body, tirx.For)
        whole = _single_row(node) if alone else node
        if print_whole(self, whole):
            return
        copied = block_copy(whole, self.analyzer)
        if copied is not None and self.copy_block(copied):
            return
        if self.on_memory_core:
            self.scalar_loop(node, "no copy does the same")
            return
        if self.rows_at_once(node):
            return
        found = guarded_store(node, self.analyzer)
        if found is None or not self.independent(*found):
            self.scalar_loop(node)
            return
        saved, self.parts = self.checkpoint(), 0
        try:
            self.store_over(*found)
        except TooManyParts as reason:
            self.roll_back(saved)
            self.scalar_loop(node, str(reason))

    def rows_at_once(self, node: tirx.For) -> bool:
        """Vector code for two loops, as many rows in a vector as a slot holds.

        for r: for c: y[r*w + c] = x[r*n + c] + b[c]   ->   __bang_cycle_add(v, x, b, rows * n, n)
        """
        found = rows_of(node, self.analyzer)
        if found is None or not self.independent(found[0], found[2]):
            return False
        rows, columns, store = found
        length = self.analyzer.simplify(columns.high - columns.low)
        if not isinstance(length, tirx.IntImm) or columns.conditions or int(length) < 1:
            return False
        if any(depends(each, rows.var) for each in (columns.low, columns.high)):
            return False
        bound = self.upper_bound(rows.high - rows.low)
        row_bytes = int(length) * self.widest(store)
        if bound is None or bound < 2 or self.plan.slot_bytes < 2 * row_bytes:
            if bound is not None and bound >= 2 and 2 * row_bytes <= self.plan.longest_slot:
                # Longer slots may hold several.
                self.plan.need(bound * row_bytes)
            return False
        saved = self.checkpoint()
        try:
            self.row_pieces(rows, columns, store, int(length), bound)
        except NoVectorForm:
            self.roll_back(saved)
            return False
        return True

    def row_pieces(
        self, rows: Range, columns: Range, store: tirx.BufferStore, length: int, bound: int
    ) -> None:
        """Pieces of `bound` rows at most, as many as a slot holds. Raises `NoVectorForm`."""
        row_bytes = length * self.widest(store)
        most = self.plan.slot_bytes // row_bytes
        self.plan.need(bound * row_bytes)
        if rows.conditions:
            condition = tirx.all(*rows.conditions)
            with self.braces(f"if ({self.expr(condition).code})"), self.assuming(condition):
                inside = Range(rows.var, rows.low, rows.high)
                self.row_pieces(inside, columns, store, length, bound)
            return

        def print_piece(count: str, many: int, start: Expr | None) -> None:
            piece = Rows(rows.var, count, many, length, start)
            whole = str(int(count) * length) if count.isdigit() else f"{count} * {length}"
            span = Range(columns.var, columns.low, columns.high)
            self.instructions(Piece(span, whole, many * length, columns.low, piece), store)

        extent = self.analyzer.simplify(rows.high - rows.low)
        if isinstance(extent, tirx.IntImm) and bound <= most:
            print_piece(str(bound), bound, rows.low)
            return
        count = self.reserve("rows")
        if bound <= most:
            self.line(f"const int {count} = {self.expr(extent).code};")
            with self.braces(f"if ({count} > 0)"):
                print_piece(count, bound, rows.low)
            return
        self.analyzer.bind(rows.var, tvm.ir.Range(rows.low, rows.high), allow_override=True)
        var, low, end = (
            self.declare_loop(rows.var),
            self.expr(rows.low).code,
            self.expr(rows.high).within(SUM),
        )
        with (
            self.meter.loop(bound / most),
            self.braces(f"for (int {var} = {low}; {var} < {end}; {var} += {most})"),
        ):
            rest = f"{end} - {var}"
            self.line(f"const int {count} = {rest} < {most} ? {rest} : {most};")
            print_piece(count, most, None)
        self.taken -= {var, count}

    def scalar_loop(self, node: tirx.For, why: str = "it does several things") -> None:
        """A loop as C has it, what it costs, and why no instruction does the same."""
        before = self.meter.elapsed
        with self.meter.loop(self.upper_bound(node.extent)):
            super().stmt_For(node)
        self.note_slow(f"the loop over {node.loop_var.name!r} is scalar: {why}", before, node.body)

    # --- the cost of scalar code ----------------------------------------------------------------

    def copy_block(self, copied: BlockCopy) -> bool:
        """Print one `__memcpy` for a rectangle, unless no instruction moves it in one piece."""
        target, source = copied.target, copied.source
        direction = self.direction(source.buffer, target.buffer)
        if direction is None or "WRAM" in direction:
            return False
        if self.name(target.buffer) == self.name(source.buffer):
            return False
        dtype = str(target.buffer.dtype)
        if dtype != str(source.buffer.dtype) or self.scalars & {target.buffer, source.buffer}:
            return False
        size, checks = ITEM_BYTES[dtype], list(copied.conditions)
        checks += [
            each > 0
            for each in (copied.rows, copied.length)
            if not self.analyzer.can_prove(each > 0)
        ]
        ends = f"{self.pointer(target.buffer, target.first)}, "
        ends += self.pointer(source.buffer, source.first)
        simplified = self.analyzer.simplify
        gapless = all(
            isinstance(copied.length, tirx.IntImm) and each.stride == int(copied.length)
            for each in (target, source)
        )
        if gapless:
            total = self.expr(simplified(copied.rows * copied.length * size)).code
            call = f"{self.copying(direction)}({ends}, {total}, {direction});"
        else:
            length = self.expr(simplified(copied.length * size)).code
            steps = f"{target.stride * size}, {source.stride * size}"
            last = self.expr(simplified(copied.rows - 1)).code
            copying = self.copying(direction)
            call = f"{copying}({ends}, {length}, {direction}, {steps}, {last});"
        rows = self.upper_bound(copied.rows) or 1
        run = (self.upper_bound(copied.length) or 1) * size
        runs = (rows * run, 1) if gapless else (run, rows)
        self.meter.charge(CopyWork(direction, *runs))
        if not checks:
            self.line(call)
            return True
        with self.braces(f"if ({self.expr(tirx.all(*checks)).code})"):
            self.line(call)
        return True

    def independent(self, span: Range, store: tirx.BufferStore) -> bool:
        """Whether the loop's guards do not change while it runs."""
        written = self.name(store.buffer)
        read = {self.name(load.source) for each in span.conditions for load in loads(each)}
        return written not in read

    def store_over(self, span: Range, store: tirx.BufferStore) -> None:
        """Code for `store` at every value of `span`: parts of the range, vector or scalar.

        Raises `TooManyParts` where they are more than `MOST_PARTS`, some of them empty.
        """
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise TooManyParts("conditions divide it into too many parts")
        if span.conditions:
            condition = tirx.all(*span.conditions)
            with self.braces(f"if ({self.expr(condition).code})"), self.assuming(condition):
                self.store_over(Range(span.var, span.low, span.high), store)
            return
        if self.analyzer.can_prove(span.high <= span.low):
            return
        self.narrow(span)
        choice = self.splittable(store, span)
        if choice is None:
            self.leaf(span, store)
        else:
            self.split(span, store, choice)

    def narrow(self, span: Range) -> None:
        """Tell the analyzer where the variable lies now: it still knows the part before.

        It would take a variable of a single value for that value, for good.
        """
        length = self.analyzer.simplify(span.high - span.low)
        single = isinstance(length, tirx.IntImm) and int(length) == 1
        high = span.low + 2 if single else span.high
        self.analyzer.bind(span.var, tvm.ir.Range(span.low, high), allow_override=True)

    def splittable(self, store: tirx.BufferStore, span: Range) -> Expr | None:
        """A conditional whose condition holds in an interval of the loop variable, if any."""
        choices: list[Expr] = []

        def note(node: Expr) -> None:
            condition = condition_of(node)
            if condition is not None and not loads(condition):
                choices.append(node)

        tvm_ffi.structural_walk(store.value, [(tvm.ir.Call, note), (tirx.Select, note)])
        for node in choices:
            if span.within(conjuncts(condition_of(node)), self.analyzer) is not None:
                return node
        return None

    def split(self, span: Range, store: tirx.BufferStore, choice: Expr) -> None:
        """One loop for each part of the range in which the conditional `choice` is decided.

        for j in range(w):                              if i > 0: [0, 1) no, [1, w) yes
            y[j] = x[j-1] if i > 0 and j > 0 else 0  ->  else:     [0, w) no
        """
        yes, no = (_decided(store, choice, side) for side in sides_of(choice))
        inner = Range(span.var, span.low, span.high).within(
            conjuncts(condition_of(choice)), self.analyzer
        )
        assert inner is not None  # `splittable` has asked the same
        if not inner.conditions:
            self.three_parts(span, inner, yes, no)
            return
        condition = tirx.all(*inner.conditions)
        with self.meter.either():
            with (
                self.braces(f"if ({self.expr(condition).code})", "} else {"),
                self.assuming(condition),
            ):
                self.three_parts(span, inner, yes, no)
            self.depth += 1
            self.meter.other()
            with self.assuming(tirx.Not(condition)):
                self.store_over(span, no)
            self.depth -= 1
            self.line("}")

    def three_parts(
        self, span: Range, inner: Range, yes: tirx.BufferStore, no: tirx.BufferStore
    ) -> None:
        """`no` before `inner`, `yes` inside, `no` behind it; `inner` may reach beyond `span`."""
        low = later(earlier(inner.low, span.high, self.analyzer), span.low, self.analyzer)
        high = later(earlier(inner.high, span.high, self.analyzer), low, self.analyzer)
        self.store_over(Range(span.var, span.low, low), no)
        self.store_over(Range(span.var, low, high), yes)
        self.store_over(Range(span.var, high, span.high), no)

    def leaf(self, span: Range, store: tirx.BufferStore) -> None:
        """A vector loop if there is one, else a scalar loop; nothing where nothing changes."""
        if _adds_zero(store):
            return
        length = self.analyzer.simplify(span.high - span.low)
        fixed = int(length) if isinstance(length, tirx.IntImm) else None

        def as_vectors() -> None:
            self.vector_loop(span, store, fixed)

        def as_scalars(why: str = "so short a vector costs more") -> None:
            self.scalar_loop(tirx.For(span.var, span.low, length, tirx.ForKind.SERIAL, store), why)

        saved = self.checkpoint()
        short = fixed is not None and fixed < SHORT
        if fixed == 1:
            self.stmt(_at(store, span.var, span.low, self.analyzer))
            return
        try:
            if short and self.cost_of(as_scalars) <= self.cost_of(as_vectors):
                as_scalars()
            else:
                as_vectors()
        except NoVectorForm as reason:
            self.roll_back(saved)
            as_scalars(str(reason))

    def vector_loop(self, span: Range, store: tirx.BufferStore, fixed: int | None) -> None:
        """Vector code, in pieces that fit into the slots. Raises `NoVectorForm`.

        `fixed` is the number of iterations where it is a constant.
        """
        width = self.widest(store)
        most = self.plan.slot_bytes // width
        bound = fixed if fixed is not None else self.upper_bound(span.high - span.low)
        self.plan.need(None if bound is None else bound * width)
        if fixed is not None and fixed <= most:
            self.instructions(Piece(span, str(fixed), fixed, span.low), store)
            return
        count = self.reserve("count")
        if bound is not None and bound <= most:
            # One piece, of a length that is known at run time only, and may be nothing.
            length = self.analyzer.simplify(span.high - span.low)
            self.line(f"const int {count} = {self.expr(length).code};")
            with self.braces(f"if ({count} > 0)"):
                self.instructions(Piece(span, count, bound, span.low), store)
            return
        self.analyzer.bind(span.var, tvm.ir.Range(span.low, span.high), allow_override=True)
        var, ctype = self.declare(span.var), self.dialect.type(dtype_of(span.var))
        low, end = self.expr(span.low).code, self.expr(span.high).within(SUM)
        if "?" in end:
            end = self.reserve("end")
            self.line(f"const {ctype} {end} = {self.expr(span.high).code};")
        pieces = None if bound is None else bound / most
        if self.plan.pipelined and bound is not None and -(-bound // most) >= FEWEST_PIECES:
            few = -(-bound // most)
            most = padded(-(-bound // few) * width) // width
            code = Selection(self, Piece(span, count, most, None), store).run()
            parts = stages(code)
            if parts is not None:
                length = self.analyzer.simplify(span.high - span.low + (most - 1))
                many = self.expr(self.analyzer.simplify(tirx.truncdiv(length, most))).code
                walk = Walk(var, ctype, count, low, end, most, many, few)
                print_pipeline(self, code, parts, walk)
                self.taken -= {var, count}
                return
        with (
            self.meter.loop(pieces),
            self.braces(f"for ({ctype} {var} = {low}; {var} < {end}; {var} += {most})"),
        ):
            rest = f"{end} - {var}"
            self.line(f"const int {count} = {rest} < {most} ? {rest} : {most};")
            self.instructions(Piece(span, count, most, None), store)
        self.taken -= {var, count}

    def widest(self, store: tirx.BufferStore) -> int:
        """Bytes of an element of the widest vector that a store needs."""
        casts: list[Expr] = []
        tvm_ffi.structural_walk(store.value, [(tirx.Cast, casts.append)])
        held = [*loads(store.value), *casts, *(cast.value for cast in casts)]
        dtypes = {str(store.buffer.dtype), *(dtype_of(each) for each in held)}
        # Functions are computed, and conditions joined, in single precision.
        calls: list[Expr] = []
        kinds = (tvm.ir.Call, tirx.Select, *COMPARISONS)
        tvm_ffi.structural_walk(store.value, [(kind, calls.append) for kind in kinds])
        if calls:
            dtypes.add("float32")
        return max(ITEM_BYTES[dtype] for dtype in dtypes)

    def check_slots(self, code: VectorCode, slots: Mapping[Vector, int]) -> None:
        """Raises `NoVectorForm` where a vector is longer than its slot."""
        for vector in slots:
            count = code.period if vector.cycle else code.most
            if count * ITEM_BYTES[vector.dtype] > self.plan.slot_bytes:
                raise NoVectorForm("a vector that is longer than its slot")

    def instructions(self, piece: Piece, store: tirx.BufferStore) -> None:
        """Vector code for one piece, its temporaries in slots."""
        code = Selection(self, piece, store).run()
        slots, used = code.allocate()
        self.check_slots(code, slots)
        self.plan.use_slots(used)

        def name(vector: Vector) -> str:
            if vector.place is not None:
                return vector.place
            slot = self.plan.slot_name(slots[vector])
            cast = f"({self.dialect.type(vector.dtype)}*)"
            return slot if vector.dtype == "float32" else cast + slot

        opened: tuple[Side, ...] = ()
        for instruction in code.instructions:
            opened = self.turn_to(instruction.sides, opened)
            before = self.meter.elapsed
            for work in instruction.work:
                self.meter.charge(work)
            if instruction.slow:
                passed = self.meter.elapsed - before
                self.slow[instruction.slow] = self.slow.get(instruction.slow, 0.0) + passed
            for line in instruction.text(name):
                self.line(line)
        self.turn_to((), opened)
        self.taken.discard(code.row_name)

    def turn_to(self, sides: tuple[Side, ...], opened: tuple[Side, ...]) -> tuple[Side, ...]:
        """Close and open branches until what follows stands on `sides` of conditions."""
        same = 0
        while same < min(len(sides), len(opened)) and sides[same] == opened[same]:
            same += 1
        for _ in opened[same + 1 :]:
            self.depth -= 1
            self.line("}")
        entered = sides[same:]
        if same < len(opened):
            self.depth -= 1
            switches = same < len(sides) and sides[same][0] is opened[same][0]
            self.line("} else {" if switches else "}")
            if switches:
                self.depth += 1
                entered = entered[1:]
        for guard, holds in entered:
            self.line(f"if ({guard.code if holds else f'!({guard.code})'}) {{")
            self.depth += 1
        return sides


def _at(
    store: tirx.BufferStore, var: tvm.ir.Var, value: Expr, analyzer: tvm.sym.Analyzer
) -> tirx.BufferStore:
    """The store of one iteration."""
    indices = [analyzer.simplify(substitute(index, var, value)) for index in store.indices]
    return tirx.BufferStore(
        store.buffer, analyzer.simplify(substitute(store.value, var, value)), indices
    )


def _single_row(columns: tirx.For) -> tirx.For:
    """A loop as the only row of a nest of two."""
    zero, one = tirx.IntImm("int32", 0), tirx.IntImm("int32", 1)
    return tirx.For(tirx.Var("row", "int32"), zero, one, tirx.ForKind.SERIAL, columns)


def _adds_zero(store: tirx.BufferStore) -> bool:
    """Whether an integer zero is added to an element: what is left of a sum beyond a border."""
    value = store.value
    return (
        isinstance(value, tirx.Add)
        and isinstance(value.b, tirx.IntImm)
        and int(value.b) == 0
        and isinstance(value.a, tvm.ir.TensorLoad)
        and value.a.source.same_as(store.buffer)
        and bool(tvm_ffi.structural_equal(list(value.a.indices), list(store.indices)))
    )


def _decided(store: tirx.BufferStore, choice: Expr, side: Expr) -> tirx.BufferStore:
    """The store with one conditional decided, wherever the same one occurs."""
    value = tvm_ffi.structural_map(
        store.value,
        (type(choice), lambda node: side if tvm_ffi.structural_equal(node, choice) else node),
        order="post",
    )
    return tirx.BufferStore(store.buffer, value, store.indices)
