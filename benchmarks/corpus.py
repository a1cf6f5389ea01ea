"""The kernels of `tests/kernels/operators` and `tests/kernels/wild`, ready to run.

Manifests list the files of a dialect; what is right stands in `references.py` beside them. An
`Entry` is a line of a manifest, a `Case` an entry at one shape:

    for case in cases("cuda", operators={"gemm"}):
        inputs = case.inputs(seed=0)
        run = case.run(inputs)
        print(case, case.wrong(run.arrays, inputs) or "as numpy has it")

Shapes are the grid's, reduced to what an emulator runs in about a second (`Operator.reduced`)
unless `full` ones are asked for; a wild kernel has one shape of its own.
"""

from __future__ import annotations

import ast
import importlib
import json
import operator
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from xpiler_tvm.emulation import Run, is_unwritten, run_text
from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import SUFFIXES, Dialect, Kernel, Launch, Param, Scalar, Tensor
from xpiler_tvm.verification.inputs import Family, inputs_for

KERNELS = Path(__file__).parent.parent / "tests" / "kernels"

Shape = Mapping[str, int]
Arrays = dict[str, np.ndarray]


class CorpusError(Exception):
    """A manifest says something that cannot be; the message tells what, and of which file."""


# ---------------------------------------------------------------- expressions

_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max}


def value(expression: int | float | str, names: Shape) -> int | float:
    """An expression of a manifest: numbers, names, + - * %, / which rounds down, parentheses, min
    and max. Raises `CorpusError` for anything else."""
    if not isinstance(expression, str):
        return expression
    try:
        return _value(ast.parse(expression, mode="eval").body, names)
    except (SyntaxError, ZeroDivisionError) as error:
        raise CorpusError(f"{expression!r}: {error}") from None


def _value(node: ast.expr, names: Shape) -> int | float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(one, names) for one in args))
    raise CorpusError(f"{ast.unparse(node)!r} is none of the names {', '.join(names)}, nor of them")


# ---------------------------------------------------------------- entries and cases


@dataclass(frozen=True)
class Entry:
    """A kernel file of a manifest.

    Attributes
    ----------
    about : the manifest's line.
    means : the `Operator` of `tests/kernels/operators` that it is a kernel of.
    shapes : those it is run at, by name.
    """

    folder: Path
    dialect: Dialect
    about: Mapping[str, Any]
    means: Any
    shapes: Mapping[str, Shape]

    @property
    def operator(self) -> str:
        return self.about["operator"]

    @property
    def style(self) -> str:
        return self.about.get("style", "")

    @property
    def name(self) -> str:
        """The file's name."""
        return self.about["path"]

    def macros(self, shape: Shape) -> dict[str, int]:
        """The values of the file's macros at a shape: the grid's extents, unless it says others."""
        default = {} if "shape" in self.about else {name: name for name in shape}
        extents = self.means.extents(shape)
        chosen = self.about.get("macros", default)
        return {name: int(value(text, extents)) for name, text in chosen.items()}

    def at(self, shape_name: str) -> Case:
        """The case of a shape, by its name in `shapes`."""
        shape = self.shapes[shape_name]
        try:
            extents = self.means.extents(shape)
            kernel = Kernel(
                (self.folder / self.name).read_text(encoding="utf-8"),
                self.dialect,
                self.about["entry"],
                tuple(_param(one, extents) for one in self.about["params"]),
                _launch(self.about["launch"], extents) if "launch" in self.about else None,
                filename=self.name,
                mode=self.about.get("mode", "strict"),
            )
            return Case(self, shape_name, kernel.with_macros(self.macros(shape)))
        except (CorpusError, ReadError) as error:
            raise CorpusError(f"{self.name}: {error}") from None

    def cheapest(self) -> Case:
        """The case with the least elements in its tensors."""
        found = [self.at(name) for name in self.shapes]
        return min(found, key=lambda case: sum(tensor.size for tensor in case.kernel.tensors))


def _param(about: list[Any], extents: Shape) -> Param:
    match about:
        case [name, dtype, extent, intent]:
            return Tensor(name, (int(value(extent, extents)),), dtype, intent)
        case [name, dtype, number]:
            return Scalar(name, dtype, value(number, extents))
    raise CorpusError(f"parameter {about}: [name, dtype, extent, intent] or [name, dtype, value]")


def _launch(about: Mapping[str, Any], extents: Shape) -> Launch:
    grid, block, tasks = (
        tuple(int(value(one, extents)) for one in about.get(name, ()))
        for name in ("grid", "block", "tasks")
    )
    shared = int(value(about.get("shared_bytes", 0), extents))
    return Launch(grid, block, shared, tasks, about.get("kind", "block"))


@dataclass(frozen=True)
class Case:
    """A kernel at one shape, resolved, and what is right for it."""

    entry: Entry
    shape_name: str
    kernel: Kernel

    def __str__(self) -> str:
        return f"{self.entry.dialect}/{self.entry.name}@{self.shape_name}"

    @property
    def shape(self) -> dict[str, int]:
        return dict(self.entry.shapes[self.shape_name])

    @property
    def tolerance(self) -> float:
        """The error that is permitted, as a part of the reference's rms and of the element."""
        return float(self.entry.about.get("tolerance", 0.0))

    def inputs(self, seed: int = 0, family: Family = "random") -> Arrays:
        """An array for each tensor, with values that make sense to the operator."""
        extents = self.entry.means.extents(self.shape)
        given = {tensor.name for tensor in self.kernel.tensors if tensor.intent != "out"}
        operands = [one for one in self.entry.means.operands if one.name in given]
        ranges = {
            one.name: (int(value(one.integers[0], extents)), int(value(one.integers[1], extents)))
            for one in operands
            if one.integers and "int" in self._dtype(one.name)
        }
        arrays = inputs_for(self.kernel, seed, family, ranges)
        for one in operands:
            if "float" in self._dtype(one.name):
                array, (low, high) = arrays[one.name], one.floats
                array[...] = (low + high) / 2 + (high - low) / 2 * array.astype(np.float64)
        self.entry.means.adjust(self.shape, arrays, np.random.default_rng(seed))
        return arrays

    def _dtype(self, name: str) -> str:
        return next(tensor.dtype for tensor in self.kernel.tensors if tensor.name == name)

    def reference(self, inputs: Arrays) -> Arrays:
        """What the outputs should be, in double precision or 64-bit integers."""
        return self.entry.means.reference(self.shape, inputs)

    def run(self, inputs: Arrays, **how: Any) -> Run:
        """Runs the text as written; `how` is passed to `emulation.run_text`."""
        return run_text(self.kernel, inputs, **how)

    def wrong(self, outputs: Arrays, inputs: Arrays) -> str:
        """What of the outputs is not as numpy has it; nothing where all is right."""
        found = [
            difference(name, wanted, outputs[name], self.tolerance)
            for name, wanted in self.reference(inputs).items()
        ]
        return "; ".join(text for text in found if text)


def difference(name: str, wanted: np.ndarray, result: np.ndarray, tolerance: float) -> str:
    """How a result differs from what it should be by more than `tolerance` of the elements' rms and
    of the element; nothing where it does not. Shapes do not matter, the numbers of elements do."""
    wanted, result = np.ravel(wanted), np.ravel(result)
    if wanted.size != result.size:
        return f"{name} has {result.size} elements, the reference {wanted.size}"
    exact = wanted.astype(np.float64)
    error = np.abs(result.astype(np.float64) - exact)
    bad = ~(error <= tolerance * (np.sqrt(np.mean(exact**2)) + np.abs(exact)))
    if result.itemsize > 1:
        bad |= is_unwritten(result)
    if not bad.any():
        return ""
    place = int(np.argmax(np.where(bad, np.nan_to_num(error, nan=np.inf), -1.0)))
    return (
        f"{int(bad.sum())} of {bad.size} elements of {name} differ, "
        f"{name}[{place}] is {result[place]}, numpy has {exact[place]:.9g}"
    )


# ---------------------------------------------------------------- manifests


def entries(
    dialect: Dialect, *, operators: Collection[str] = (), wild: bool = False, full: bool = False
) -> list[Entry]:
    """The entries of a dialect in the manifest's order; none where there is no manifest.

    `operators` names those that are wanted, `wild` takes the wild kernels in place of the grid, and
    `full` the grid's shapes as they are. Shapes that are equal once reduced come once.

    Raises `CorpusError` where a manifest names an operator that is not known, or another dialect's
    file.
    """
    folder = KERNELS / ("wild" if wild else "operators")
    manifest = folder / f"{'wild' if wild else dialect}.json"
    if not manifest.exists():
        return []
    found = []
    for about in json.loads(manifest.read_text(encoding="utf-8")):
        of = SUFFIXES.get(Path(about["path"]).suffix)
        if of != dialect and not wild:
            raise CorpusError(f"{manifest.name}: {about['path']} is no file of {dialect}")
        if of != dialect or (operators and about["operator"] not in operators):
            continue
        means = _wild_meaning(about) if wild else _grid_meaning(about)
        found.append(Entry(folder, dialect, about, means, _shapes(means, full)))
    return found


def cases(
    dialect: Dialect, *, operators: Collection[str] = (), wild: bool = False, full: bool = False
) -> list[Case]:
    """Each of the `entries` at each of its shapes."""
    found = entries(dialect, operators=operators, wild=wild, full=full)
    return [entry.at(name) for entry in found for name in entry.shapes]


def _shapes(means: Any, full: bool) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for name, shape in means.shapes.items():
        chosen = shape if full else means.reduced(shape)
        if chosen not in found.values():
            found[name] = chosen
    return found


def _grid_meaning(about: Mapping[str, Any]) -> Any:
    known = module("operators.references").OPERATORS
    if about["operator"] not in known:
        raise CorpusError(f"{about['path']}: no operator is named {about['operator']!r}")
    return known[about["operator"]]


def _wild_meaning(about: Mapping[str, Any]) -> Any:
    """A wild kernel is an operator of its own, with one shape."""
    references, name = module("wild.references"), about["operator"]
    if not hasattr(references, name):
        raise CorpusError(f"{about['path']}: there is no reference {name!r}")
    more = {"adjust": references.ADJUST[name]} if name in references.ADJUST else {}
    make = module("operators.references").Operator
    return make(name, {"own": about["shape"]}, (), getattr(references, name), **more)


def module(name: str) -> ModuleType:
    """A module below `tests/kernels`."""
    if str(KERNELS) not in sys.path:
        sys.path.insert(0, str(KERNELS))
    return importlib.import_module(name)
