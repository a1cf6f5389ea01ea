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

# Scalar steps (multiply-adds, elements) that a reduced shape takes at most: about a second in an
# emulator's slowest build.
REDUCED_WORK = 1 << 20


@dataclass(frozen=True)
class Operand:
    """A tensor of an operator, in row-major order.

    `extent` counts its elements, an expression of the operator's extents. `dtypes` are those on
    GPUs, of C with VNNI and of BANG C, alternatives parted by `|`; one entry stands for all three.
    Values lie in `floats` where they are floating-point numbers, and in `integers` (both included,
    expressions too) where they are integers; without that, bytes take their whole range and wider
    integers lie in [-100, 100].
    """

    name: str
    extent: str
    dtypes: tuple[str, ...] = ("float32",)
    intent: str = "in"
    floats: tuple[float, float] = (-1.0, 1.0)
    integers: tuple[int | str, int | str] | None = None

    def allowed(self, dialect: str) -> list[str]:
        """The dtypes that the operand may have in a dialect."""
        column = {"cuda": 0, "hip": 0, "vnni": 1, "bang": 2}[dialect]
        return self.dtypes[column % len(self.dtypes)].split("|")


@dataclass(frozen=True)
class Operator:
    """An operator: what is known of it without any kernel.

    Attributes
    ----------
    shapes : the eight shapes of the grid by the grid's own name for them, like `3x4x5`.
    derived : extents that follow from those of a shape, as expressions; kernels write them out.
    work : scalar steps, an expression.
    reduce : the extents that may be halved, in this order, and what each stays a multiple of.
    reference : outputs from inputs, in float64 or int64.
    adjust : changes drawn inputs, in place, where not every value makes sense.
    """

    name: str
    shapes: dict[str, Shape]
    operands: tuple[Operand, ...]
    reference: Reference
    work: str
    derived: Mapping[str, str] = field(default_factory=dict)
    reduce: Mapping[str, int] = field(default_factory=dict)
    adjust: Adjust | None = None

    def extents(self, shape: Shape) -> Shape:
        """The shape with the derived extents."""
        found = dict(shape)
        for name, expression in self.derived.items():
            found[name] = evaluate(expression, found)
        return found

    def reduced(self, shape: Shape) -> Shape:
        """The shape at a size that an emulator can run in about a second.

        Extents of `reduce` are halved, the first one as often as it stays a whole multiple of its
        number, then the next, until the work is at most `REDUCED_WORK`. Where there is nothing more
        to halve the work may stay above that.
        """
        found = dict(shape)
        for name, multiple in self.reduce.items():
            while self._work(found) > REDUCED_WORK and found[name] % (2 * multiple) == 0:
                found[name] //= 2
        return found

    def _work(self, shape: Shape) -> int:
        return evaluate(self.work, self.extents(shape))


def evaluate(expression: str, names: Mapping[str, int]) -> int:
    """An expression of this folder's own Python files, with floor division as `//`."""
    return int(eval(expression, {"__builtins__": {}}, dict(names)))


OPERATORS: dict[str, Operator] = {}


def operator(
    extents: str,
    shapes: str | dict[str, Shape],
    operands: Sequence[Operand],
    *,
    work: str | None = None,
    derived: Mapping[str, str] | None = None,
    reduce: Mapping[str, int] | None = None,
    adjust: Adjust | None = None,
) -> Callable[[Reference], Reference]:
    """Declares the decorated reference's operator; see `Operator`.

    `shapes` is a text, `4,8; 16,32`, of the values of `extents`. The work, unless given, is the
    product of all extents.
    """
    names = extents.split()
    named = table(names, shapes) if isinstance(shapes, str) else shapes

    def note(reference: Reference) -> Reference:
        name = reference.__name__.rstrip("_")
        OPERATORS[name] = Operator(
            name,
            named,
            tuple(operands),
            reference,
            work or "*".join(names),
            derived or {},
            reduce or {},
            adjust,
        )
        return reference

    return note


def table(names: Sequence[str], rows: str) -> dict[str, Shape]:
    """Shapes from a text: `table(["M", "N"], "3,16; 3,512")`."""
    found = {}
    for row in rows.split(";"):
        values = [int(value) for value in row.split(",")]
        found["x".join(map(str, values))] = dict(zip(names, values, strict=True))
    return found


def of_dims(rows: str, shape: Callable[[tuple[int, ...]], Shape]) -> dict[str, Shape]:
    """Shapes of operators over any number of dimensions: `of_dims("64; 18x128", flat)`."""
    return {
        name: shape(tuple(int(extent) for extent in name.split("x")))
        for name in rows.replace(" ", "").split(";")
    }


def flat(dims: tuple[int, ...]) -> Shape:
    return {"N": prod(dims)}


def rows(dims: tuple[int, ...]) -> Shape:
    return {"ROWS": prod(dims[:-1]), "COLS": dims[-1]}


def around(dims: tuple[int, ...], axis: int) -> Shape:
    """The extents before, at and behind an axis."""
    return {"OUTER": prod(dims[:axis]), "AXIS": dims[axis], "INNER": prod(dims[axis + 1 :])}


def of_axis(
    rows: str, more: Callable[[Shape], Shape] = lambda shape: {}
) -> dict[str, Shape]:
    """Shapes of operators along an axis: `of_axis("1x64(1); 512x1024(0)")`."""
    found = {}
    for row in rows.replace(" ", "").split(";"):
        dims, axis = row.rstrip(")").split("(")
        shape = around(tuple(int(extent) for extent in dims.split("x")), int(axis))
        found[row] = {**shape, **more(shape)}
    return found
