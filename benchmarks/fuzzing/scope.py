"""What a program has declared so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .terms import Real, Term, Type


@dataclass(eq=False)
class Variable:
    """An object of an arithmetic type whose values stay in an interval, whatever assigns it.

    `uniform`: all threads of a block see the same value. `room` is how far sums may still carry a
    variable that is summed into. `reference`: a parameter that stands for the caller's variable.
    """

    name: str
    type: Type
    low: Real
    high: Real
    grain: int = 0
    writable: bool = True
    uniform: bool = False
    room: Real = 0
    reference: bool = False

    def term(self) -> Term:
        return Term(self.name, self.type, self.low, self.high, self.grain)


@dataclass(eq=False)
class Array:
    """An array, or what a pointer points to: `extent` objects, each like a variable.

    `field` follows the index where an element is a member of a class.
    """

    name: str
    element: Variable
    extent: int
    field: str = ""

    def at(self, index: str) -> Term:
        one = self.element
        return Term(f"{self.name}[{index}]{self.field}", one.type, one.low, one.high, one.grain)


@dataclass(eq=False)
class Function:
    """A device function: what it takes, each with the values it may be given, and its result.

    Of one that is not `pure`, writable variables among the parameters are references.
    """

    name: str
    params: tuple[Variable | Array, ...]
    result: Variable
    pure: bool = True


@dataclass(eq=False)
class Scope:
    """Names by block, the innermost last."""

    variables: list[Variable] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    @contextmanager
    def block(self) -> Iterator[None]:
        kept = len(self.variables), len(self.arrays), len(self.functions)
        yield
        del self.variables[kept[0] :], self.arrays[kept[1] :], self.functions[kept[2] :]

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Expressions made here do not read these, which something beside them changes."""
        new = set(names) - self.hidden
        self.hidden |= new
        yield
        self.hidden -= new

    def readable(self, uniform: bool) -> list[Variable]:
        return [one for one in self.variables if self._open(one.name, one, uniform)]

    def writable(self) -> list[Variable]:
        return [one for one in self.readable(False) if one.writable]

    def indexed(self, uniform: bool) -> list[Array]:
        return [one for one in self.arrays if self._open(one.name, one.element, uniform)]

    def _open(self, name: str, element: Variable, uniform: bool) -> bool:
        whole = (
            name.split(".", maxsplit=1)[0]
            .split("[", maxsplit=1)[0]
            .split("->", maxsplit=1)[0]
            .strip("(*&")
        )
        return whole not in self.hidden and (element.uniform or not uniform)
