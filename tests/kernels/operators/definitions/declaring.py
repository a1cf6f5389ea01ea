"""How an operator of the grid is declared: its extents, eight shapes, operands and reference.

    @operator("M K N", "32,32,128; 32,32,1024", [Operand("A", "M*K"), ...], reduce={"N": 64})
    def gemm(shape, inputs): ...

The decorator notes the function in `OPERATORS` under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

Shape = dict[str, int]
Arrays = dict[str, np.ndarray]
Reference = Callable[[Shape, Arrays], Arrays]
Adjust = Callable[[Shape, Arrays, np.random.Generator], None]

# Scalar steps (multiply-adds, elements) that a reduced shape takes at most: about a second in the
# slowest build of an emulator.
REDUCED_WORK = 1 << 20


@dataclass(frozen=True)
class Operand:
    """A tensor of an operator, in row-major order.

    `extent` counts its elements: an expression of the operator's extents. `dtypes` are those on
    GPUs, of C with VNNI and of BANG C, alternatives parted by `|`; one entry stands for all three.
    Floating-point values lie in `floats`, integers in `integers` (both bounds included, expressions
    too); where that is not given, bytes take their whole range and wider integers [-100, 100].
    """

    name: str
    extent: str
    dtypes: tuple[str, ...] = ("float32",)
    intent: str = "in"
    floats: tuple[float, float] = (-1.0, 1.0)
    integers: tuple[str, str] | None = None

    def allowed(self, dialect: str) -> list[str]:
        """The dtypes that the operand may have in a dialect."""
        column = {"cuda": 0, "hip": 0, "vnni": 1, "bang": 2}[dialect]
        return self.dtypes[column % len(self.dtypes)].split("|")


@dataclass(frozen=True)
class Operator:
    """An operator: what is known of it without any kernel.

    Attributes
    ----------
    shapes : the eight shapes of the grid by name, such as `3x4x5`.
    reference : outputs from inputs, in float64 or int64.
    derived : extents that follow from those of a shape; kernels write them out.
    work : scalar steps of a shape with its derived extents.
    reduce : the extents that may be halved, in this order, and what each stays a multiple of.
    adjust : changes drawn inputs, in place, where not every value makes sense.
    """

    name: str
    shapes: dict[str, Shape]
    operands: tuple[Operand, ...]
    reference: Reference
    derived: Callable[[Shape], Shape] = lambda shape: {}
    work: Callable[[Shape], int] = lambda shape: prod(shape.values())
    reduce: Mapping[str, int] = field(default_factory=dict)
    adjust: Adjust = lambda shape, inputs, rng: None

    def extents(self, shape: Shape) -> Shape:
        """The shape with the derived extents."""
        return {**shape, **self.derived(shape)}

    def reduced(self, shape: Shape) -> Shape:
        """The shape at a size that an emulator can run in about a second.

        Extents of `reduce` are halved, the first one as often as it stays a multiple of its number,
        then the next, until the work is at most `REDUCED_WORK`. Where nothing more can be halved
        it may stay above that.
        """
        found = dict(shape)
        for name, multiple in self.reduce.items():
            while self._work(found) > REDUCED_WORK and found[name] % (2 * multiple) == 0:
                found[name] //= 2
        return found

    def _work(self, shape: Shape) -> int:
        return self.work(self.extents(shape))


OPERATORS: dict[str, Operator] = {}


def operator(
    shapes: dict[str, Shape], *operands: Operand, **how: object
) -> Callable[[Reference], Reference]:
    """Notes the decorated reference in `OPERATORS`; `how` holds further fields of `Operator`.

    A trailing underscore of the function's name, which keeps it apart from a builtin, is dropped.
    """

    def note(reference: Reference) -> Reference:
        name = reference.__name__.rstrip("_")
        OPERATORS[name] = Operator(name, shapes, operands, reference, **how)  # type: ignore[arg-type]
        return reference

    return note


def table(names: str, rows: str) -> dict[str, Shape]:
    """Shapes from a text: `table("M N", "3,16; 3,512")`."""
    found = {}
    for row in rows.split(";"):
        values = [int(value) for value in row.split(",")]
        found["x".join(map(str, values))] = dict(zip(names.split(), values, strict=True))
    return found


def product(**values: Sequence[int]) -> dict[str, Shape]:
    """All combinations of values by extent, the last extent running fastest."""
    shapes: list[Shape] = [{}]
    for name, choices in values.items():
        shapes = [{**shape, name: value} for shape in shapes for value in choices]
    return {"x".join(map(str, shape.values())): shape for shape in shapes}


def flat(rows: str) -> dict[str, Shape]:
    """Shapes of elementwise operators: `flat("64; 18x128")` has N = 64 and N = 18 * 128."""
    return {name: {"N": prod(dims)} for name, dims in _dims(rows)}


def last_axis(rows: str) -> dict[str, Shape]:
    """Shapes of operators over the last axis: ROWS of COLS."""
    return {name: {"ROWS": prod(dims[:-1]), "COLS": dims[-1]} for name, dims in _dims(rows)}


def one_axis(rows: str, more: Callable[[Shape], Shape] = lambda shape: {}) -> dict[str, Shape]:
    """Shapes of operators along an axis, which is named in parentheses: `4x64x8(1)`.

    OUTER, AXIS and INNER are the extents before, at and behind it. `more` adds others.
    """
    found = {}
    for row in rows.replace(" ", "").split(";"):
        dims, axis = row.rstrip(")").split("(")
        extents, place = [int(extent) for extent in dims.split("x")], int(axis)
        outer, inner = prod(extents[:place]), prod(extents[place + 1 :])
        shape = {"OUTER": outer, "AXIS": extents[place], "INNER": inner}
        found[row] = {**shape, **more(shape)}
    return found


def _dims(rows: str) -> list[tuple[str, list[int]]]:
    names = rows.replace(" ", "").split(";")
    return [(name, [int(extent) for extent in name.split("x")]) for name in names]
