"""What the functions of a file call, store to, and whether they launch or copy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

from xpiler_tvm.errors import Span

from . import ir
from .host_values import plain

Allocated = Literal["device", "managed", "host"]
ALLOCATIONS: dict[str, Allocated] = {
    "Malloc": "device",
    "MallocAsync": "device",
    "MallocManaged": "managed",
    "MallocHost": "host",
    "HostAlloc": "host",
}
COPIES = ("Memcpy", "MemcpyAsync", "Memcpy2D", "MemcpyToSymbol", "MemcpyFromSymbol")
FILLS = ("Memset", "MemsetAsync")
"""Functions of the device's library that act, without `cuda`, `hip` or `cnrt` in front."""
_ACTING = (*ALLOCATIONS, *COPIES, *FILLS)


def nodes(node: object) -> Iterator[Any]:
    """`node` and all IR below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from nodes(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, Span):
        yield node
        for part in dataclasses.fields(node):
            yield from nodes(getattr(node, part.name))


class Calls:
    """The static part: which code launches or copies, itself or through the functions it calls."""

    def __init__(self, unit: ir.Unit) -> None:
        self.unit = unit
        self._acts: dict[int, bool] = {}

    def hosts(self) -> list[ir.Function]:
        """The host functions with a body, in the order of the file."""
        found = [f for f in self.unit.functions.values() if runs_on_host(f)]
        return sorted(found, key=lambda function: function.span.line)

    def function(self, name: ir.Name) -> ir.Function | None:
        """The function with a body that `name` means; in templates the parser knows no identity."""
        found = self.unit.functions.get(name.ident)
        if found is None and not name.ident:
            found = self.unit.named(name.name)
        return found if found is not None and found.body is not None else None

    def callees(self, node: object) -> Iterator[ir.Function]:
        """The host functions that `node` itself names."""
        for name in nodes(node):
            if isinstance(name, ir.Name):
                function = self.function(name)
                if function is not None and runs_on_host(function):
                    yield function

    def code(self, node: object) -> Iterator[Any]:
        """All IR of `node` and of the host functions it may get to."""
        seen: set[int] = set()
        todo = [node]
        while todo:
            node = todo.pop()
            yield from nodes(node)
            for function in self.callees(node):
                if function.ident not in seen:
                    seen.add(function.ident)
                    todo.append(function.body)

    def assigned(self, code: list[Any]) -> Iterator[ir.Expr]:
        """What `code` may change: assigned, counted, or handed out by address or reference."""
        for part in code:
            if isinstance(part, ir.Assign):
                yield part.target
            elif isinstance(part, ir.Unary):
                if part.op == "&" or part.op.endswith(("++", "--")):
                    yield part.value
            elif isinstance(part, ir.Variable):
                if isinstance(part.type, ir.Reference) and part.init is not None:
                    yield part.init
            elif isinstance(part, ir.Call) and isinstance(part.callee, ir.Name):
                function = self.function(part.callee)
                if function is None and by_reference(part.callee.name):
                    yield from part.args
                for param, arg in zip(function.params if function else (), part.args, strict=False):
                    if isinstance(param.type, ir.Reference):
                        yield arg

    def stored(self, node: object) -> Iterator[int]:
        """The identities of the pointers through which `node` stores."""
        for target in self.assigned(list(nodes(node))):
            base = target
            while isinstance(base, (ir.Subscript, ir.Member, ir.Unary, ir.Cast)):
                base = base.value if isinstance(base, (ir.Unary, ir.Cast)) else base.base
            if isinstance(base, ir.Name) and base is not target:
                yield base.ident

    def acts(self, node: object) -> bool:
        """Whether running `node` may launch, allocate or copy."""
        if id(node) not in self._acts:
            self._acts[id(node)] = any(
                isinstance(part, ir.LaunchExpr)
                or (isinstance(part, ir.Name) and device_call(part.name) in _ACTING)
                for part in self.code(node)
            )
        return self._acts[id(node)]

    def reaches(self, function: ir.Function, entry: str | None) -> bool:
        """Whether `function` launches the kernel of that name, directly or not."""
        name = entry.partition("<")[0] if entry else None
        return any(
            isinstance(part, ir.LaunchExpr)
            and isinstance(part.call.callee, ir.Name)
            and name in (None, part.call.callee.name)
            for part in self.code(function.body)
        )

    def roots(self, entry: str | None) -> list[ir.Function]:
        """Where to start: `main` first, then outer functions before the ones they call."""
        found = [function for function in self.hosts() if self.reaches(function, entry)]
        inner = {f.ident for function in found for f in self.callees(function.body)}
        return sorted(found, key=lambda f: (f.name != "main", f.ident in inner))

    def settable(self, roots: list[ir.Function]) -> list[str]:
        """The names that `args` may set: parameters and variables of numbers in host functions."""
        names: dict[str, None] = {}
        for root in roots:
            variables = [
                *root.params,
                *(n for n in nodes(root.body) if isinstance(n, ir.Variable)),
            ]
            for variable in variables:
                if isinstance(plain(variable.type), ir.Arithmetic) or variable.type == ir.AUTO:
                    names[variable.name] = None
        return list(names)


def runs_on_host(function: ir.Function) -> bool:
    """Whether it has a body that host code may run."""
    return function.body is not None and function.kind in ("host", "both")


def device_call(name: str) -> str:
    """`Malloc` for `cudaMalloc`, `hipMalloc` and `cnrtMalloc`; empty for other names."""
    for prefix in ("cuda", "hip", "cnrt"):
        if name.startswith(prefix) and name[len(prefix) : len(prefix) + 1].isupper():
            return name[len(prefix) :]
    return ""


def by_reference(name: str) -> bool:
    """Whether a library function of that name may change the variables that it is given."""
    return name == "swap" or (name.startswith("operator") and name != "operator<<")
