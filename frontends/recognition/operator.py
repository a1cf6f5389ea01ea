"""An operator that a kernel was recognised to be made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xpiler_tvm.errors import Span
from xpiler_tvm.evidence import Check

if TYPE_CHECKING:
    import tvm


class Whole(Protocol):
    """The kernel that an operator is part of, in TVM's operators."""

    def relax(self) -> tvm.IRModule: ...

    def check(self) -> Check: ...


@dataclass(frozen=True, eq=False)
class Operator:
    """`output = name(inputs)`.

    Attributes
    ----------
    name : as Relax calls it, where Relax has it.
    attributes : how: axes, strides, transpositions, constants.
    inputs, output : names of the kernel's tensors, or of values between operators.
    origin : what the kernel calls the result.
    span : where the kernel stores it.
    """

    name: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    output: str
    origin: str = ""
    span: Span | None = None
    whole: Whole | None = None

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.output} = {self.name}({', '.join(self.inputs)}{', ' if said else ''}{said})"

    def relax(self) -> tvm.IRModule:
        """The kernel in TVM's operators: `main`, a Relax function over the kernel's tensors."""
        assert self.whole is not None
        return self.whole.relax()

    def check(self) -> Check:
        """Whether the kernel in TVM's operators does what the source did."""
        assert self.whole is not None
        return self.whole.check()
