"""Host code on concrete numbers: values, places, and what becomes unknown."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from functools import cached_property
from typing import cast

from xpiler_tvm.errors import ReadError, Span

from . import ir
from .host_calls import Calls, nodes
from .host_values import (
    ARITHMETIC,
    COMPARISONS,
    INTEGER,
    Address,
    Cell,
    Closure,
    Copied,
    Element,
    Event,
    Field,
    Filled,
    Launched,
    Memory,
    Names,
    Place,
    Touched,
    Unknown,
    Value,
    bytes_of,
    depends,
    plain,
    rounded,
)
from .partial_eval import Evaluator, constants_of
from .partial_eval.state import Frame

_UNSIGNED = ir.Arithmetic("uint32")
_NOWHERE = Span("", 1, 1)
_RESIZING = ("push_back", "emplace_back", "pop_back", "resize", "assign", "insert", "clear")


class HostExpressions(ABC):
    """The state of a run of host code, and its expressions.

    `symbols` are the device's variables that nothing initialises, by name, and `entered` the host
    functions that ran, by identity.
    """

    def __init__(self, calls: Calls, args: dict[str, int | float], whole: bool = False) -> None:
        self.calls = calls
        self.unit = calls.unit
        self.args = args
        self.whole = whole
        self.launches: list[Launched] = []
        self.events: list[Event] = []
        self.symbols: dict[str, Memory] = {}
        self.entered: set[int] = set()
        self.complete = False
        self.from_main = False
        self.doubt: Unknown | None = None  # on which it rests whether the code that follows runs
        self.steps = 0
        self.loop_end: int | None = None  # the step at which the outermost inert loop is given up
        self.frame: dict[int, Place] = {}
        self.types: Names = {}  # what the names of the template that runs stand for
        self.depth = 0

    # ------------------------------------------------------------ of those built on this

    @abstractmethod
    def call(self, node: ir.Call) -> Value:
        """The result of a call."""

    @abstractmethod
    def launch(self, node: ir.LaunchExpr) -> Value:
        """Record a launch."""

    # ------------------------------------------------------------ what happened

    def _touch(self, memory: Memory, span: Span) -> None:
        last = self.events[-1] if self.events else None
        if not isinstance(last, Touched) or last.memory is not memory:
            self.events.append(Touched(memory, span))

    def _record(self, event: Launched | Copied | Filled) -> None:
        if self.doubt is not None:
            raise depends("whether this runs", self.doubt, event.span)
        self.events.append(event)

    def _not_followed(self, node: ir.Call) -> Value:
        """The result of a call of which it is not known what it calls."""
        if self.whole:
            raise ReadError("XP1013", "it is not known what this calls", span=node.span)
        return Unknown("a call", node.span)

    # ------------------------------------------------------------ what is no longer known

    def forget(self, node: object, why: Unknown) -> None:
        """Make all that `node`, or a function that it calls, may assign unknown."""
        code = list(self.calls.code(node))
        for target in self.calls.assigned(code):
            self._forget_target(target, why)
        for part in code:
            place = self.frame.get(part.ident) if isinstance(part, ir.Name) else None
            if place is not None and isinstance(place.value, Closure):
                self.forget(place.value.code.body, why)
            callee = part.callee if isinstance(part, ir.Call) else None
            if isinstance(callee, ir.Member) and callee.field in _RESIZING:
                base = self.value(callee.base)
                if isinstance(base, Memory):
                    base.length = why

    def _forget_target(self, target: ir.Expr, why: Unknown) -> None:
        while isinstance(target, ir.Cast):
            target = target.value
        parts = list(nodes(target))
        if isinstance(target, ir.Name):
            if target.ident in self.frame:
                self.frame[target.ident].value = why
        elif isinstance(target, ir.Member) and not any(isinstance(p, ir.Call) for p in parts):
            self.place(target).value = why
        else:  # what lies behind the pointers in it
            for part in parts:
                if isinstance(part, ir.Name) and part.ident in self.frame:
                    self._forget_behind(self.frame[part.ident].value, why)

    def _forget_behind(self, value: Value, why: Unknown) -> None:
        if isinstance(value, Address):
            target = value.target
            if isinstance(target, Memory):
                target.items.clear()
                self._touch(target, why.span or _NOWHERE)
            else:
                target.value = why
        elif isinstance(value, Memory):
            value.items.clear()
        elif isinstance(value, dict):
            for member in value.values():
                self._forget_behind(member, why)

    # ------------------------------------------------------------ places

    def place(self, node: ir.Expr) -> Place:
        """What `node` denotes, to be read or assigned."""
        if isinstance(node, ir.Name) and node.ident in self.frame:
            return self.frame[node.ident]
        if isinstance(node, ir.Member):
            base = self.value(node.base)
            return (
                Field(base, node.field, node.span, self._type_of(node))
                if isinstance(base, dict)
                else Cell(self.value(node))
            )
        if isinstance(node, ir.Subscript):
            return self._at(self.value(node.base), self.value(node.index), node.span)
        if isinstance(node, ir.Unary) and node.op == "*":
            return self._at(self.value(node.value), 0, node.span)
        if isinstance(node, ir.Cast) and isinstance(node.to, ir.Reference):
            return self.place(node.value)
        return Cell(self.value(node))

    def _type_of(self, node: ir.Expr) -> ir.Type | None:
        """The type of a variable or of a member of one, where it is known."""
        if isinstance(node, ir.Name) and node.ident in self.frame:
            return self.resolved(self.frame[node.ident].type)
        if isinstance(node, ir.Member):
            whole = self._type_of(node.base)
            while isinstance(whole, ir.Struct) and node.field not in dict(whole.fields):
                whole = self.resolved(dict(whole.fields).get(whole.base_of(node.field) or ""))
            if isinstance(whole, ir.Struct):
                return self.resolved(dict(whole.fields)[node.field])
        return None

    def _at(self, base: Value, index: Value, span: Span) -> Place:
        if isinstance(base, Address) and not isinstance(base.target, Memory) and index == 0:
            return base.target
        if isinstance(base, Memory):  # a vector, whose elements are not followed
            return Cell(Unknown("an element of an array", span))
        if isinstance(base, Address) and isinstance(base.target, Memory) and isinstance(index, int):
            step = self.size_of(base.to)
            if isinstance(step, int):
                return Element(base.target, base.offset + index * step, span, base.to)
        why = base if isinstance(base, Unknown) else index if isinstance(index, Unknown) else None
        return Cell(why or Unknown("an element of an array", span))

    def _store(self, place: Place, value: Value) -> None:
        place.value = self.convert(value, place.type)
        if isinstance(place, Element):
            self._touch(place.memory, place.span)

    # ------------------------------------------------------------ expressions

    def truth(self, node: ir.Expr) -> bool | Unknown:
        value = self.value(node)
        if isinstance(value, Unknown):
            return value
        return bool(value) if isinstance(value, (int, float)) else value is not None

    def value(self, node: ir.Expr) -> Value:
        if isinstance(node, ir.Literal):
            return (
                self.convert(node.value, ir.Arithmetic(node.dtype))
                if node.dtype != "text"
                else (node.value)
            )
        if isinstance(node, ir.Name):
            place = self.frame.get(node.ident)
            return place.value if place is not None else Unknown(f"{node.name!r}", node.span)
        if isinstance(node, ir.Unary):
            return self.unary(node)
        if isinstance(node, ir.Binary):
            return self.binary(node)
        if isinstance(node, ir.Assign):
            place = self.place(node.target)
            value = self.value(node.value)
            if node.op:
                value = self.arithmetic(node.op, place.value, value, node.span)
            self._store(place, value)
            return place.value
        if isinstance(node, ir.Conditional):
            test = self.truth(node.test)
            if isinstance(test, Unknown):
                self.forget((node.then, node.other), test)
                return test
            return self.value(node.then if test else node.other)
        if isinstance(node, ir.Subscript):
            return self.place(node).value
        if isinstance(node, ir.Member):
            base = self.value(node.base)
            if isinstance(base, dict):
                return Field(base, node.field, node.span).value
            return base if isinstance(base, Unknown) else Unknown(f"{node.field!r}", node.span)
        if isinstance(node, ir.Cast):
            return self.convert(self.value(node.value), node.to)
        if isinstance(node, ir.SizeOf):
            size = self.size_of(node.of)
            return Unknown("the size of a type", node.span) if size is None else size
        if isinstance(node, ir.Construct):
            return self.construct(node.to, tuple(self.value(a) for a in node.args), node.span)
        if isinstance(node, ir.InitList):
            return tuple(self.value(item) for item in node.items)
        if isinstance(node, ir.Lambda):
            return Closure(node, self.frame)
        if isinstance(node, ir.LaunchExpr):
            return self.launch(node)
        if isinstance(node, ir.Call):
            return self.call(node)
        what = f" ({node.message})" if isinstance(node, ir.Unreadable) else ""
        return Unknown(f"a construct that is not read{what}", node.span)

    def unary(self, node: ir.Unary) -> Value:
        if node.op == "&":
            return self._address(node.value)
        if node.op == "*":
            return self.place(node).value
        if node.op.endswith(("++", "--")):
            place = self.place(node.value)
            before = place.value
            after = self.arithmetic(node.op[-1], before, 1, node.span)
            self._store(place, after)
            return before if node.op.startswith("post") else place.value
        if node.op == "!":
            test = self.truth(node.value)
            return test if isinstance(test, Unknown) else int(not test)
        value = self.value(node.value)
        if isinstance(value, (int, float)) and node.op in "+-":
            return -value if node.op == "-" else value
        if isinstance(value, int) and node.op == "~":
            return ~value
        return value if isinstance(value, Unknown) else Unknown("this expression", node.span)

    def _address(self, node: ir.Expr) -> Value:
        place = self.place(node)
        if isinstance(place, Element):
            return Address(place.memory, place.offset, place.type)
        if isinstance(node, ir.Subscript):  # &v[0] of a vector
            base = self.value(node.base)
            if isinstance(base, Memory):
                return Address(base)
        return Address(place, 0, place.type)

    def binary(self, node: ir.Binary) -> Value:
        if node.op in ("&&", "||"):
            left = self.truth(node.left)
            if not isinstance(left, Unknown) and left == (node.op == "||"):
                return int(left)
            right = self.truth(node.right)
            if isinstance(left, Unknown):
                if not isinstance(right, Unknown) and right == (node.op == "||"):
                    return int(right)
                return left
            return right if isinstance(right, Unknown) else int(right)
        left_value = self.value(node.left)
        right_value = self.value(node.right)
        if node.op == ",":
            return right_value
        return self.arithmetic(node.op, left_value, right_value, node.span)

    def arithmetic(self, op: str, left: Value, right: Value, span: Span) -> Value:
        for side in (left, right):
            if isinstance(side, Unknown):
                return side
        if isinstance(left, Address) or isinstance(right, Address):
            return self._pointer_arithmetic(op, left, right, span)
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            return Unknown("this expression", span)
        if op in ("/", "%") and right == 0:
            if isinstance(left, int) and isinstance(right, int):
                raise ReadError("XP1013", "the host code divides by zero here", span=span)
            return Unknown("a division by zero", span)
        if op in COMPARISONS:
            return int(COMPARISONS[op](left, right))
        if op in ARITHMETIC:
            return cast("int | float", ARITHMETIC[op](left, right))
        if isinstance(left, int) and isinstance(right, int) and op in INTEGER:
            if op in ("<<", ">>") and not 0 <= right < 64:
                return Unknown("a shift by more than the width", span)
            return cast(int, INTEGER[op](left, right))
        return Unknown("this expression", span)

    def _pointer_arithmetic(self, op: str, left: Value, right: Value, span: Span) -> Value:
        if op in ("==", "!="):
            same = (
                isinstance(left, Address)
                and isinstance(right, Address)
                and left.target is right.target
                and left.offset == right.offset
            )
            return int(same == (op == "=="))
        if op == "+" and isinstance(right, Address):
            left, right = right, left
        if op in "+-" and isinstance(left, Address) and isinstance(right, int):
            step = self.size_of(left.to)
            if isinstance(step, int):
                shift = right * step if op == "+" else -right * step
                return dataclasses.replace(left, offset=left.offset + shift)
        return Unknown("arithmetic on a pointer", span)

    def convert(self, value: Value, kind: ir.Type | None) -> Value:
        """`value` as a variable of that type holds it."""
        kind = self.resolved(kind)
        if isinstance(kind, ir.ArrayType) and isinstance(value, tuple):
            return self.array(kind, value)
        if isinstance(value, tuple) and not isinstance(kind, ir.Struct):
            value = value[0] if len(value) == 1 else 0 if not value else Unknown("a list")
        if isinstance(kind, ir.Arithmetic) and isinstance(value, (int, float)):
            return rounded(value, kind.dtype)
        if isinstance(kind, ir.Pointer) and isinstance(value, Address) and kind.to != ir.VOID:
            return dataclasses.replace(value, to=kind.to)
        if isinstance(kind, ir.Struct):
            if kind.name == "dim3" and isinstance(value, (int, float)):
                return self.construct(kind, (value,), _NOWHERE)
            if isinstance(value, tuple):
                given = self._members(kind, zero=True)
                for (name, inner), item in zip(kind.fields, value, strict=False):
                    part = self.convert(item, inner)
                    if name.startswith(ir.BASE) and isinstance(part, dict):
                        given.update(part)
                    else:
                        given[name] = part
                return given
            if isinstance(value, dict):  # a copy
                copy: dict[str, Value] = {}
                for name, inner in kind.fields:
                    if name.startswith(ir.BASE):  # its members lie beside those of the class
                        base = self.convert(value, inner)
                        copy.update(base if isinstance(base, dict) else {})
                    elif name in value:
                        copy[name] = self._copied(self.convert(value[name], inner), inner)
                return copy
        return value

    def array(self, kind: ir.ArrayType, items: tuple[Value, ...] = ()) -> Address:
        """An array of the host's that starts with `items`; its extent may be open."""
        memory, step = Memory("host", size=self.size_of(kind)), self.size_of(kind.of)
        if step is not None:
            if memory.size is None:
                memory.size = step * len(items)
            for number, item in enumerate(items):
                memory.items[number * step] = self.convert(item, kind.of)
        return Address(memory, 0, kind.of)

    def _members(self, kind: ir.Struct, zero: bool = False) -> dict[str, Value]:
        """The members of a new object that are objects themselves; its numbers where they are 0."""
        found: dict[str, Value] = {}
        for name, of in kind.fields:
            inner = self.resolved(of)
            if isinstance(inner, ir.ArrayType):
                size, step = self.size_of(inner), self.size_of(inner.of)
                count = size // step if zero and size and step else 0
                numbers = isinstance(self.resolved(inner.of), ir.Arithmetic)
                found[name] = self.array(inner, (0,) * count if numbers else ())
            elif isinstance(inner, ir.Struct) and name.startswith(ir.BASE):
                found |= self._members(inner, zero)
            elif isinstance(inner, ir.Struct):
                found[name] = self._members(inner, zero)
            elif zero and isinstance(inner, ir.Arithmetic):
                found[name] = 0
        return found

    def _copied(self, value: Value, kind: ir.Type) -> Value:
        """A member's value in a copy of its object: an array is copied with it."""
        if not isinstance(self.resolved(kind), ir.ArrayType) or not isinstance(value, Address):
            return value
        if not isinstance(value.target, Memory):
            return value
        target = dataclasses.replace(value.target, items=dict(value.target.items))
        return dataclasses.replace(value, target=target)

    def resolved(self, kind: ir.Type | None, types: Names | None = None) -> ir.Type | None:
        """A type where template parameters stand for `types`: of the function that runs, or others.

        One that cannot be told is as it was.
        """
        kind, types = plain(kind), self.types if types is None else types
        if isinstance(kind, ir.Named):
            found = types.get(kind.name, kind)
            return kind if isinstance(found, int) else found
        if isinstance(kind, ir.Instance):
            return self._instance(kind, types)
        return kind

    @cached_property
    def _classes(self) -> Evaluator:
        return constants_of(self.unit)

    def _instance(self, kind: ir.Instance, types: Names) -> ir.Type:
        classes = self._classes
        classes.frames.append(Frame("host", {}, ir.VOID, 0, names={**types}))
        try:
            return classes.resolve(kind, _NOWHERE)
        except ReadError:
            return kind
        finally:
            classes.frames.pop()

    def size_of(self, kind: ir.Type | None) -> int | None:
        """Bytes of a type, `None` where not known."""
        kind = self.resolved(kind)
        if isinstance(kind, ir.Arithmetic):
            return bytes_of(kind.dtype)
        if isinstance(kind, ir.Pointer):
            return 8
        if isinstance(kind, ir.ArrayType) and kind.extent is not None:
            extent, step = self.value(kind.extent), self.size_of(kind.of)
            return extent * step if isinstance(extent, int) and step is not None else None
        if isinstance(kind, ir.Struct) and kind.fields:
            offset, widest = 0, 1
            for _, inner in kind.fields:
                size = self.size_of(inner)
                if size is None:
                    return None
                align = min(size, 8) or 1
                offset = -(-offset // align) * align + size
                widest = max(widest, align)
            return -(-offset // widest) * widest
        return None

    def construct(self, kind: ir.Type | None, args: tuple[Value, ...], span: Span) -> Value:
        """A value of that type from constructor arguments."""
        kind = self.resolved(kind)
        if isinstance(kind, ir.Struct):
            if kind.name == "vector":
                if len(args) == 1 and isinstance(args[0], Memory):
                    return dataclasses.replace(args[0], items={})
                return Memory("host", length=args[0] if args else 0)
            if kind.name == "dim3" and not (args and isinstance(args[0], dict)):
                parts = zip("xyz", (*args, 1, 1, 1)[:3], strict=True)
                return {axis: self.convert(part, _UNSIGNED) for axis, part in parts}
            if len(args) == 1 and isinstance(args[0], (dict, tuple, Address, Memory)):
                return self.convert(args[0], kind)  # a copy, or a smart pointer
            return self._members(kind)  # what other constructors do is not followed
        if args:
            return self.convert(args[0], kind)
        return Unknown("a variable without a value", span)
