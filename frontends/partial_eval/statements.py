"""Statements: branches, exits as nesting, declarations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.kernel import Launch
from xpiler_tvm.tir import Expr

from .. import ir, library
from ..arenas import Arena
from ..program import Branch, Statement, Store
from ..values import Address, Lanes, Nothing, Number, Record, Value, offsets_of, size_of
from .calls import Calls
from .on_chip import ON_CHIP, on_chip_array
from .questions import (
    flattened_array,
    has_return,
    is_kept,
    may_exit,
    replace_last,
    same_value,
    without_breaks,
)
from .registers import is_mask, is_register
from .state import (
    Alias,
    Demote,
    Env,
    Kept,
    LoopFrame,
    Stored,
    StoredPointer,
    VariablePlace,
)

DYNAMIC_SHARED = -1
"""The identity of dynamic shared memory, whatever a function calls it."""


class Statements(Calls):
    """Statements: branches, exits as nesting, declarations."""

    if TYPE_CHECKING:
        # Of the class further down the chain.
        def _loop(self, loop: ir.Loop) -> None: ...

    def run(self, statements: list[ir.Stmt]) -> bool:
        """Emits the statements; false where control never reaches their end."""
        for position, statement in enumerate(statements):
            rest = statements[position + 1 :]
            if isinstance(statement, ir.Block):
                if rest and may_exit(statement):
                    return self.run([*statement.body, *rest])
                if not self.run(list(statement.body)):
                    return False
            elif isinstance(statement, ir.If):
                outcome = self._if(statement, rest)
                if outcome is not None:
                    return outcome
            elif isinstance(statement, ir.Switch):
                return self.run([self._as_ifs(statement), *rest])
            elif isinstance(statement, ir.Loop):
                self._loop(statement)
                live = self.frames[-1].live
                if live is not None and has_return(statement) and rest:
                    with self.collecting() as guarded:
                        self.run(rest)
                    self.branch(
                        tirx.NE(live[0], tir.const(0, "int32")), guarded, [], statement.span
                    )
                    return True
            elif isinstance(statement, ir.RangeLoop):
                self._range_loop(statement)
            elif isinstance(statement, ir.Return):
                self._return(statement)
                return False
            elif isinstance(statement, ir.Break):
                self._leave(self.frames[-1].loops[-1], statement.span)
                return False
            elif isinstance(statement, ir.Continue):
                return False
            elif isinstance(statement, ir.Declare):
                self._alias(statement)
                for variable in statement.variables:
                    self._declare(variable)
            elif isinstance(statement, ir.Evaluate):
                self.effect(statement.value)
            else:
                raise ReadError(
                    statement.code, statement.message, span=statement.span, hint=statement.hint
                )
        return True

    def _range_loop(self, loop: ir.RangeLoop) -> None:
        """`for (T& x : array)` as a loop over the array's indices."""
        place = self.place(loop.range)
        span = loop.span
        if not isinstance(place, Address) or not isinstance(place.of, ir.ArrayType):
            raise ReadError("XP1009", "a range-based for over this is not read", span=span)
        index = ir.Variable("i", id(loop), ir.Arithmetic("int32"), "", False,
                            ir.Literal(0, "int32", span), span)  # fmt: skip
        name = ir.Name("i", index.ident, span)
        assert place.of.extent is not None
        element = ir.Subscript(ir.Evaluated(self.load(place, span), span), name, span)
        variable = replace(loop.variable, init=element)
        self.run([
            ir.Loop(
                ir.Declare((index,), span),
                ir.Binary("<", name, place.of.extent, span),
                ir.Unary("pre++", name, span),
                ir.Block((ir.Declare((variable,), span), loop.body), span),
                True,
                span,
            )
        ])  # fmt: skip

    def effect(self, expr: ir.Expr) -> None:
        """An expression whose value nobody wants: `i++` is then `++i`."""
        if isinstance(expr, ir.Binary) and expr.op == ",":
            self.effect(expr.left)
            self.effect(expr.right)
        elif isinstance(expr, ir.Unary) and expr.op.startswith("post"):
            self.effect(ir.Unary("pre" + expr.op[4:], expr.value, expr.span))
        elif isinstance(expr, ir.Cast) and expr.to == ir.VOID:
            self.effect(expr.value)
        else:
            self.unwanted = expr
            self.value(expr)

    def _return(self, statement: ir.Return) -> None:
        frame = self.frames[-1]
        if isinstance(frame.result, ir.Reference) and statement.value is not None:
            if frame.loops or frame.place is not None:
                raise ReadError(
                    "XP1009", "which reference is returned depends on data", span=statement.span
                )
            frame.place = self.place(statement.value)
        elif statement.value is not None:
            value = self.initial(statement.value, frame.result)
            if frame.result_place is not None:
                self.store(frame.result_place, value, statement.span)
            elif frame.result == ir.AUTO:
                if not isinstance(frame.value, Nothing):
                    raise ReadError(
                        "XP1009",
                        "which of several returns gives the value depends on data",
                        span=statement.span,
                        hint="name the result's type: -> float",
                    )
                frame.value = self.freeze(value, statement.span)
            else:
                frame.value = self.freeze(
                    self.convert(value, frame.result, statement.span), statement.span
                )
        if frame.loops:
            for loop in frame.loops:
                self._leave(loop, statement.span)
            assert frame.live is not None
            address = Address(frame.live, tir.const(0, "int32"), ir.Arithmetic("int32"))
            self.store(address, self.math.number(0, "int32"), statement.span)

    def _leave(self, loop: LoopFrame, span: Span) -> None:
        assert loop.running is not None
        address = Address(loop.running, tir.const(0, "int32"), ir.Arithmetic("int32"))
        self.store(address, self.math.number(0, "int32"), span)

    def _if(self, statement: ir.If, rest: list[ir.Stmt]) -> bool | None:
        """The branch; where a side exits, the rest of the list moves into the other one."""
        test = self.test(statement.test)
        known = None if tir.has_load(test) else self.math.known(test)
        sides: list[list[ir.Stmt]] = [
            [statement.then],
            [statement.other] if statement.other else [],
        ]
        if known is not None:
            return self.run([*sides[0 if known else 1], *rest])
        exits = may_exit(statement)
        results, reached = [], []
        for side, holds in zip(sides, (test, self._negated(test)), strict=True):
            env = dict(self.env)
            with self.collecting() as body, self.assuming(holds):
                reached.append(self.run([*side, *rest] if exits else side))
            results.append((body, self.env))
            self.env = env
        (then, then_env), (other, other_env) = results
        self.branch(test, then, other, statement.span, early=exits and not self.frames[-1].loops)
        loops = self.frames[-1].loops
        # Where no flag says who goes on, a side can only have left for the end of the loop's body.
        meet = bool(loops) and loops[-1].running is None
        if exits and meet:
            self.env = self._merged(test, then_env, other_env, statement.span)
        if exits and (rest or meet):
            return any(reached)
        if reached[0] and reached[1]:
            self.env = self._merged(test, then_env, other_env, statement.span)
        else:
            self.env = then_env if reached[0] else other_env
        return None if any(reached) else False

    def _merged(self, test: Expr, then: Env, other: Env, span: Span) -> Env:
        merged: Env = {}
        for ident in [key for key in then if key in other]:
            a, b = then[ident], other[ident]
            if a is b or same_value(a, b):
                merged[ident] = a
            elif isinstance(a, (Stored, StoredPointer, Alias)):
                continue  # declared anew on one side: it ends there
            elif tir.has_load(test) or not isinstance(a, (Number, Address)):
                if isinstance(a, (Number, Address)) or ident in self.records:
                    raise Demote(ident)
                raise ReadError("XP1009", "an object depends on data", span=span)
            elif isinstance(a, Number) and isinstance(b, Number):
                merged[ident] = self.math.select(test, a, b)
            elif isinstance(a, Address) and isinstance(b, Address) and a.buffer.same_as(b.buffer):
                x, y = Number(a.offset, "int64"), Number(b.offset, "int64")
                merged[ident] = Address(a.buffer, self.math.select(test, x, y).expr, a.of)
            else:
                raise ReadError("XP1009", "a pointer to one of two arrays is not read", span=span)
        return merged

    def branch(
        self,
        test: Expr,
        then: list[Statement],
        other: list[Statement],
        span: Span,
        early: bool = False,
    ) -> None:
        """An if; one that only chooses a local's value becomes a selection."""
        if not then and not other:
            return
        if not then:
            test, then, other = self.math.negation(test), other, then
        first = then[0]
        if len(then) == 1 and isinstance(first, Store):
            value: Expr | None = None
            if len(other) == 1 and isinstance(other[0], Store):
                twin = other[0]
                if twin.buffer.same_as(first.buffer) and tir.same(twin.index, first.index):
                    value = twin.value
            elif not other and first.buffer.scope() == "local":
                value = first.buffer[first.index]
            if value is not None and not first.atomic:
                a = Number(first.value, first.buffer.dtype)
                b = Number(value, first.buffer.dtype)
                chosen = self.math.select(test, a, b)
                self.emit(Store(first.buffer, first.index, chosen.expr, first.span))
                return
        self.emit(Branch(test, tuple(then), tuple(other), span, early))

    def _as_ifs(self, switch: ir.Switch) -> ir.Stmt:
        """A switch as a chain of ifs. A case that falls through has the next one's statements."""
        value = self.freeze(self.value(switch.value), switch.span)
        given = ir.Evaluated(value, switch.span)
        chain: ir.Stmt = ir.Block((), switch.span)
        default: ir.Stmt | None = None
        for number in reversed(range(len(switch.cases))):
            labels, _ = switch.cases[number]
            following = [stmt for _, body in switch.cases[number:] for stmt in body]
            block = ir.Block(tuple(without_breaks(following)), switch.span)
            if None in labels:
                default = block
                continue
            test: ir.Expr | None = None
            for label in labels:
                assert label is not None
                equal = ir.Binary("==", given, label, switch.span)
                test = equal if test is None else ir.Binary("||", test, equal, switch.span)
            assert test is not None
            chain = ir.If(test, block, chain, switch.span)
        if default is None:
            return chain
        return replace_last(chain, default, switch.span)

    def _alias(self, statement: ir.Declare) -> None:
        """Names for types, which are looked at where they are used."""
        self.frames[-1].names |= dict(statement.aliases)

    def _declare(self, variable: ir.Variable) -> None:
        if variable.space == "shared":
            self._shared_array(variable)
            return
        if variable.space in ON_CHIP:
            self._on_chip_array(variable)
            return
        if variable.type == ir.AUTO:
            assert variable.init is not None
            value = self.value(variable.init)
            kind: ir.Type = ir.AUTO
            if isinstance(value, Number):
                kind = ir.Arithmetic(value.dtype)
            elif isinstance(value, Address):
                kind = ir.Pointer(value.of)
            elif isinstance(value, (Record, Lanes)):
                kind = value.kind
            self._local(variable, kind, value)
            return
        kind = self.resolve(variable.type, variable.span)
        if isinstance(kind, ir.Reference):
            assert variable.init is not None
            init = variable.init
            if isinstance(init, ir.Name) and isinstance(self.env.get(init.ident), Number):
                self.env[variable.ident] = Alias(VariablePlace(init.ident))
            else:
                self.env[variable.ident] = Alias(self.referred(init))
            return
        if isinstance(kind, ir.ArrayType):
            if kind.extent is None:
                raise ReadError("XP1009", "an array without an extent", span=variable.span)
            self.env[variable.ident] = Stored(self._initialised(variable, kind))
            return
        value = Nothing() if variable.init is None else self.initial(variable.init, kind)
        self._local(variable, kind, value)

    def _local(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None:
        """A scalar, pointer, class or lambda variable with its first value."""
        ident, span = variable.ident, variable.span
        self.types[ident] = kind
        if not isinstance(value, Nothing):
            value = self.convert(value, kind, span)
        if isinstance(kind, ir.Pointer) and ident in self.findings.demoted:
            self.pointer_in_memory(variable, value)
            return
        if library.cooperative.is_group(kind):
            self.env[ident] = value
            return
        if is_mask(kind) and isinstance(value, Lanes) and self._stays(ident, value):
            self.env[ident] = value
            return
        if isinstance(kind, ir.Struct) and self._is_value(ident, kind, value):
            if isinstance(value, Nothing):
                value = self._record(kind, [], span)
            self.env[ident] = self._settled(ident, value, kind, span)
            self.records.add(ident)
            return
        in_memory = ident in self.findings.demoted
        in_memory |= isinstance(kind, (ir.Struct, ir.Union, ir.Vector))
        if isinstance(kind, ir.Arithmetic):
            in_memory |= "float" in kind.dtype
            in_memory |= isinstance(value, Number) and not is_kept(value.expr)
        if in_memory:
            if isinstance(value, Number) and value.parts and not value.is_float:
                self.findings.layouts.setdefault(ident, None)  # bytes that stay what they are
            mixed = is_register(kind) or isinstance(kind, ir.Union)
            mixed |= ident in self.findings.layouts
            address = self.allocate(variable.name, kind, span, ident=ident if mixed else 0)
            if not mixed and not isinstance(address.buffer, Arena):
                self.variables[address.buffer] = ident
            self.env[ident] = Stored(address)
            if not isinstance(value, Nothing):
                self.store(address, value, span)
            return
        if isinstance(value, Nothing) and isinstance(kind, ir.Arithmetic):
            value = self.math.number(0, kind.dtype)  # reading it before it is set is undefined
        self.env[ident] = self.freeze(value, span) if isinstance(value, Address) else value

    def _is_value(self, ident: int, kind: ir.Struct, value: Value) -> bool:
        """Whether an object is kept as its fields' values: of integers alone, or with pointers."""
        if ident in self.findings.demoted or not isinstance(value, (Record, Nothing)):
            return False
        if self.class_of(kind) is None or library.cooperative.is_group(kind):
            return False
        pointers = any(isinstance(of, ir.Pointer) for _, of in kind.fields)
        return (pointers and isinstance(value, Record)) or _of_integers(kind)

    def _settled(self, ident: int, value: Value, kind: ir.Type, span: Span) -> Value:
        """An object's value that later stores do not change, its arrays in places of their own."""
        if isinstance(kind, ir.Struct) and isinstance(value, Record):
            parts = zip(value.fields.items(), kind.fields, strict=True)
            return Record(
                kind,
                {name: self._settled(ident, part, of, span) for (name, part), (_, of) in parts},
            )
        if isinstance(kind, ir.ArrayType) and isinstance(value, (Lanes, Address)):
            place, lanes = self.allocate("held", kind, span), self.convert(value, kind, span)
            self.store(place, lanes, span)
            if isinstance(lanes, Lanes) and not isinstance(place.buffer, Arena):
                numbers = [lanes.lane(tir.const(n, "int32")) for n in range(lanes.kind.lanes)]
                if all(is_kept(number.expr) for number in numbers):
                    self.kept[place.buffer] = Kept(ident, numbers)
            return place
        return self.freeze(value, span)

    def _stays(self, ident: int, mask: Lanes) -> bool:
        """Whether a mask can be kept as an expression: no memory feeds it, and it has one value."""
        if ident in self.changed:
            return False
        probe = self.counter("lane", mask.kind.lanes)
        return not tir.has_load(mask.lane(probe).expr)

    def _initialised(self, variable: ir.Variable, kind: ir.Type) -> Address:
        address = self.allocate(variable.name, kind, variable.span, ident=variable.ident)
        if isinstance(variable.init, ir.Construct) and not variable.init.args:
            self._begin(address, variable.span)
        elif variable.init is not None:
            with self.collecting() as stores:
                self._fill(address, kind, variable.init)
            self.out += stores
            if variable.ident not in self.findings.demoted:
                self._keep(variable.ident, address, stores)
        return address

    def _keep(self, ident: int, place: Address, stores: list[Statement]) -> None:
        """Notes the integers of an array, which are what was stored until something else is."""
        numbers: list[Number] = []
        for store in stores:
            if not isinstance(store, Store) or not store.buffer.same_as(place.buffer):
                return
            if tir.as_const(store.index) != len(numbers) or not is_kept(store.value):
                return
            numbers.append(Number(store.value, store.buffer.dtype))
        if numbers and not isinstance(place.buffer, Arena):
            self.kept[place.buffer] = Kept(ident, numbers)

    def _begin(self, place: Address, span: Span, zero: bool = False) -> None:
        """Objects as their class's constructor leaves them; else zero, or as they are."""
        kind = place.of
        if isinstance(kind, ir.ArrayType):
            assert isinstance(kind.extent, ir.Literal)
            size = size_of(kind.of, span)
            for number in range(int(kind.extent.value)):
                self._begin(self.moved(place, number * size, kind.of), span, zero)
            return
        value: Value = Nothing()
        if isinstance(kind, ir.Struct) and self.class_of(kind) is not None:
            value = self.constructed(kind, (), span)
        if not isinstance(value, Nothing):
            self.store(place, value, span)
        elif zero:
            self._clear(place, span)

    def _fill(self, address: Address, kind: ir.Type, init: ir.Expr) -> None:
        """Stores of a braced initialiser; what it leaves out is zero."""
        if not isinstance(kind, ir.ArrayType):
            whole = Address(address.buffer, address.offset, kind)
            self.store(whole, self.initial(init, kind), init.span)
            return
        if not isinstance(init, ir.InitList):
            raise ReadError("XP1009", "this initialiser of an array is not read", span=init.span)
        if isinstance(kind.of, ir.ArrayType) and not any(
            isinstance(item, ir.InitList) for item in init.items
        ):  # the inner braces are left out
            kind = flattened_array(kind)
        extent = kind.extent
        assert isinstance(extent, ir.Literal)
        step = size_of(kind.of, init.span)
        for number in range(int(extent.value)):
            part = self.moved(address, number * step, kind.of)
            if number < len(init.items):
                self._fill(part, kind.of, init.items[number])
            else:
                self._begin(part, init.span, zero=True)

    def _clear(self, place: Address, span: Span) -> None:
        """Zeroes in every number of an object."""
        kind = place.of
        if isinstance(kind, ir.ArrayType):
            assert isinstance(kind.extent, ir.Literal)
            for number in range(int(kind.extent.value)):
                self._clear(self.moved(place, number * size_of(kind.of, span), kind.of), span)
        elif isinstance(kind, ir.Struct):
            for start, (_, of) in zip(offsets_of(kind, span), kind.fields, strict=False):
                self._clear(self.moved(place, start, of), span)
        elif isinstance(kind, ir.Vector):
            self.store(place, self._vector(kind, (), span), span)
        elif isinstance(kind, ir.Arithmetic):  # a pointer that is read must have been set
            self.store(place, self.math.number(0, kind.dtype), span)

    def _on_chip_array(self, variable: ir.Variable) -> Address:
        address = on_chip_array(self, variable)
        self.env[variable.ident] = Stored(address)
        return address

    def _shared_array(self, variable: ir.Variable) -> Address:
        """The block's array; dynamic shared memory, all of whose arrays start at its beginning."""
        kind = self.resolve(variable.type, variable.span)
        ident, whole = variable.ident, kind
        if isinstance(kind, ir.ArrayType) and kind.extent is None:
            size = self.sizes.of((self.source.launch or Launch()).shared_bytes)
            if not isinstance(size, int):
                self.refuse_symbolic(size, "how much shared memory there is", variable.span)
            elif size <= 0:
                raise ReadError(
                    "XP1011",
                    f"{variable.name!r} is dynamic shared memory and the launch gives it no bytes",
                    span=variable.span,
                    hint="give them as --shared BYTES, or Launch(shared_bytes=...)",
                )
            ident = DYNAMIC_SHARED
            self.findings.layouts.setdefault(ident, None)
            whole = ir.ArrayType(ir.Arithmetic("int8"), ir.Literal(size, "int32", variable.span))
        if ident not in self.objects:
            self.objects[ident] = self.allocate(
                variable.name, whole, variable.span, "shared", ident
            )
        found = self.objects[ident]
        address = Address(found.buffer, found.offset, kind)
        self.env[variable.ident] = Stored(address)
        return address


def _of_integers(kind: ir.Struct) -> bool:
    return bool(kind.fields) and all(
        (isinstance(of, ir.Arithmetic) and "float" not in of.dtype)
        or (isinstance(of, ir.Struct) and _of_integers(of))
        for _, of in kind.fields
    )
