"""Functions without a body in the file, methods of containers, and what reaches the device."""

from __future__ import annotations

import dataclasses
from typing import cast

from xpiler_tvm.errors import ReadError, Span

from . import ir
from .host_calls import ALLOCATIONS, COPIES, FILLS, Allocated, device_call
from .host_expressions import HostExpressions
from .host_values import (
    Address,
    Copied,
    Filled,
    Launched,
    Memory,
    Names,
    Unknown,
    Value,
    depends,
    number_function,
    spelled,
)


class Exit(Exception):
    """The program calls `exit` or `abort`."""


class HostLibrary(HostExpressions):
    """What host code calls and does not define."""

    def _method(self, node: ir.Call, callee: ir.Member) -> Value:
        base = self.value(callee.base)
        values = [self.value(arg) for arg in node.args]
        if isinstance(base, Memory):
            if callee.field == "size" and base.length is not None:
                return base.length
            if callee.field in ("data", "begin"):
                return Address(base)
            if callee.field in ("resize", "assign") and values:
                base.length = values[0]
                return None
            if callee.field in ("push_back", "emplace_back"):
                length = base.length
                base.length = length + 1 if isinstance(length, int) else length
                return None
            if callee.field == "empty" and isinstance(base.length, int):
                return int(base.length == 0)
        if isinstance(base, Address) and callee.field == "get":
            return base
        if isinstance(base, dict):
            base.clear()  # what methods do is not followed
        return base if isinstance(base, Unknown) else Unknown(f"{callee.field}()", node.span)

    def _by_reference(self, node: ir.Call, name: str) -> Value:
        places = [self.place(arg) for arg in node.args]
        if name == "operator=" and len(places) == 2:
            places[0].value = self.convert(places[1].value, places[0].type)
            return places[0].value
        if name == "swap" and len(places) == 2:
            places[0].value, places[1].value = places[1].value, places[0].value
            return None
        for arg in node.args:
            self._forget_target(arg, Unknown(f"what {name} stores", node.span))
        return Unknown(f"the result of {name}", node.span)

    def _library(self, node: ir.Call, name: str, values: list[Value]) -> Value:
        """A function without a body in the file."""
        action = device_call(name)
        if action:
            if action in ALLOCATIONS:
                self.allocate(values, ALLOCATIONS[action])
            elif action in COPIES:
                self.copy_by(action, values, node.span)
            elif action in FILLS:
                self.fill(values, node.span)
            elif action not in _HARMLESS:
                self._outputs(values, name, node.span)
            return "" if action == "GetErrorString" else 0  # success
        if name in EXITS:
            raise Exit
        if name in ("malloc", "aligned_alloc") and values:
            return Address(Memory("host", size=values[-1]))
        if name == "calloc" and len(values) == 2:
            return Address(
                Memory("host", size=self.arithmetic("*", values[0], values[1], node.span))
            )
        if name == "new":
            kind = node.template_args[0] if node.template_args else None
            return Address(Memory("host"), 0, cast("ir.Type | None", kind))
        function = number_function(name)
        if function is not None and all(isinstance(value, (int, float)) for value in values):
            try:
                return cast("int | float", function(*values))
            except (ValueError, OverflowError, TypeError):
                return Unknown(f"the result of {name}", node.span)
        if name not in _HARMLESS:
            self._outputs(values, name, node.span)
        return Unknown(f"the result of {name}", node.span)

    def _outputs(self, values: list[Value], name: str, span: Span) -> None:
        """Variables whose address an unknown function gets hold unknown values afterwards."""
        for value in values:
            if isinstance(value, Address):
                if isinstance(value.target, Memory):
                    value.target.items.clear()
                    self._touch(value.target, span)
                else:
                    value.target.value = Unknown(f"what {name} stores", span)

    # ------------------------------------------------------------ the device

    def launch(self, node: ir.LaunchExpr) -> Value:
        callee = node.call.callee
        function = self.calls.function(callee) if isinstance(callee, ir.Name) else None
        if function is None:
            raise ReadError("XP1013", "this launch names no kernel of the file", span=node.span)
        if len(node.call.template_args) < len(function.template_params):
            # Inside a template the parser does not show types that are written as keywords.
            raise ReadError(
                "XP1013",
                f"the template arguments of {function.name} are not all known here",
                span=node.span,
                hint="give params and launch yourself, and the instance: "
                f"--entry '{function.name}<...>'",
            )
        types: Names = {}
        words = []
        for (name, ident), argument in zip(
            function.template_params, node.call.template_args, strict=False
        ):
            if is_type(argument):
                types[name] = kind = self.resolved(cast(ir.Type, argument)) or ir.AUTO
                words.append(spelled(kind))
            else:
                value = self.value(cast(ir.Expr, argument))
                if isinstance(value, Unknown):
                    raise depends("the template's argument", value, node.span)
                names = function.enumerations.get(ident, {})
                if isinstance(value, int):
                    types[name] = value
                words.append(names.get(value, str(value)) if isinstance(value, int) else str(value))
        entry = function.name + (f"<{', '.join(words)}>" if words else "")
        config = tuple(self.value(part) for part in node.config)
        values = tuple(
            self.convert(self.value(arg), param.type)
            for param, arg in zip(function.params, node.call.args, strict=False)
        )
        self.launches.append(Launched(entry, function, config, values, types, node.span))
        self._record(self.launches[-1])
        return None

    def allocate(self, values: list[Value], space: Allocated) -> None:
        pointer, size = values[0], values[1]
        if isinstance(pointer, Address) and not isinstance(pointer.target, Memory):
            pointer.target.value = self.convert(
                Address(Memory(space, size=size)), pointer.target.type
            )
        elif isinstance(pointer, Address):
            # `&buffers[i]`: an element of an array of pointers
            assert isinstance(pointer.target, Memory)
            of = pointer.to.to if isinstance(pointer.to, ir.Pointer) else None
            pointer.target.items[pointer.offset] = Address(Memory(space, size=size), 0, of)

    def copy_by(self, action: str, values: list[Value], span: Span) -> None:
        """One of `COPIES`."""
        if action == "Memcpy2D":
            self.copy_rows(values, span)
        elif action in ("MemcpyToSymbol", "MemcpyFromSymbol"):
            self.copy_symbol(values, span, 1 if action == "MemcpyToSymbol" else 2)
        else:
            self.copy(values, span)

    def copy(self, values: list[Value], span: Span) -> None:
        """`values` as `cudaMemcpy` takes them."""
        to, source, size, kind = values[:4]
        if isinstance(to, Address) and isinstance(to.target, Memory) and not self.launches:
            to.target.filled = True
        if isinstance(source, Address) and isinstance(source.target, Memory) and self.launches:
            source.target.fetched = True
        self._record(Copied(to, source, size, kind, span))

    def copy_rows(self, values: list[Value], span: Span) -> None:
        to, pitch, source, other, width, height, kind = values[:7]
        dense = pitch == other == width
        size = self.arithmetic("*", width, height, span) if dense else Unknown("its pitch", span)
        self.copy([to, source, size, kind], span)

    def copy_symbol(self, values: list[Value], span: Span, kind: int) -> None:
        to, source, size = values[:3]
        offset = values[3] if len(values) > 3 else 0
        if kind == 1:
            to = self._inside(to, offset)
        else:
            source = self._inside(source, offset)
        self.copy([to, source, size, values[4] if len(values) > 4 else kind], span)

    def _inside(self, symbol: Value, offset: Value) -> Value:
        if isinstance(symbol, Address) and isinstance(offset, int):
            return dataclasses.replace(symbol, offset=symbol.offset + offset)
        return offset if isinstance(offset, Unknown) else symbol

    def fill(self, values: list[Value], span: Span) -> None:
        if isinstance(values[0], Address) and isinstance(values[0].target, Memory):
            values[0].target.filled |= not self.launches
        self._record(Filled(values[0], values[1], values[2], span))


# Functions that leave the memories they are given as they were.
_HARMLESS = ("Free", "FreeAsync", "FreeHost", "FuncSetAttribute", "printf", "fprintf", "free")
EXITS = ("exit", "abort", "_Exit", "quick_exit")


def is_type(node: object) -> bool:
    """Whether a template argument is a type."""
    return isinstance(node, (ir.Arithmetic, ir.Pointer, ir.Reference, ir.Struct, ir.Named))
