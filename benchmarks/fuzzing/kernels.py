"""Random kernels: a file with its functions, parameters, launch and data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xpiler_tvm.kernel import Dialect, Kernel, Launch, Param, Scalar, Tensor

from .choices import Choices
from .objects import Class
from .scope import Array, Variable
from .statements import variable
from .terms import BYTE, CHAR, DOUBLE, FLOAT, INT, LONG, UNSIGNED, Type
from .threads import CELLS, Block, Threads

EXTENT = 32
"""Elements of each input."""

_INPUTS = (("a", INT, -100, 100, 0), ("u", UNSIGNED, 0, (1 << 32) - 1, 0),
           ("f", FLOAT, -16, 16, 2), ("b", BYTE, 0, 255, 0), ("c", CHAR, -128, 127, 0))  # fmt: skip
_OUTPUTS = (("oi", INT), ("ol", LONG), ("of", FLOAT), ("od", DOUBLE))
_SHAPES = ((1,), (8,), (32,), (64,), (8, 4), (5,), (4, 2, 2))


@dataclass(frozen=True)
class Program:
    """A kernel, and the seed of what it is run on."""

    kernel: Kernel
    seed: int

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs by their names, in the ranges that programs count on; zeros for all others."""
        draws = np.random.default_rng(self.seed)
        arrays = {}
        for name, kind, low, high, grain in _INPUTS:
            values = draws.integers(low * 2**grain, high * 2**grain, EXTENT, endpoint=True)
            arrays[name] = (values / 2**grain if kind.is_float else values).astype(kind.dtype)
        for tensor in self.kernel.tensors:
            if tensor.written:
                arrays[tensor.name] = np.zeros(tensor.shape or (), tensor.dtype)
        return arrays


def program(choices: Choices, dialect: Dialect) -> Program:
    """The program that the choices make, in a dialect."""
    return _Writer(choices, dialect).write()


class _Writer:
    def __init__(self, choices: Choices, dialect: Dialect) -> None:
        self.c, self.dialect = choices, dialect
        self.simt = dialect in ("cuda", "hip")

    def write(self) -> Program:
        launch, threads, blocks, names = self._launch()
        lanes = {"cuda": 32, "hip": 64}.get(self.dialect, 0)
        g = Threads(self.c, Block("t", threads, lanes, self.dialect == "hip"))
        g.device = {"bang": "__mlu_func__ ", "vnni": "static "}.get(self.dialect, "__device__ ")
        g.method = "" if self.dialect == "vnni" else g.device
        g.simt = self.simt
        if self.simt and self.c.chance(50):
            g.classes.append(_vector(self.c.pick((INT, FLOAT, UNSIGNED)), self.c.pick((2, 4))))
        for _ in self.c.parts(2, 40):
            g.declare_class()
        for _ in self.c.parts(3, 50):
            g.declare_function()
        used = [one for one in _INPUTS if self.c.chance(70)]
        n = self.c.between(1, 9)
        writes = {"cuda": "__global__ ", "hip": "__global__ ", "bang": "__mlu_entry__ "}
        params: list[Param] = [Tensor(name, (EXTENT,), kind.dtype) for name, kind, *_ in used]
        params.append(Scalar("n", "int32", n))
        head = [f"const {kind.name}* {name}" for name, kind, *_ in used] + ["int n"]
        begin = len(g.lines)
        for name, kind, low, high, grain in used:
            element = Variable("", kind, low, high, grain, writable=False)
            g.scope.arrays.append(Array(name, element, EXTENT))
        g.scope.variables.append(Variable("n", INT, 1, 9, writable=False, uniform=True))
        g.margin = 1
        for line in names:
            g.emit(line)
        g.scope.variables.append(Variable("t", INT, 0, threads - 1, writable=False))
        g.scope.variables.append(Variable("blk", INT, 0, blocks - 1, writable=False, uniform=True))
        g.emit(f"done[blk * {threads} + t] = 1;")
        g.converged = self.simt and self.c.chance(70)
        g.leaves, g.cells = not g.converged, self.simt
        g.body(16, 92)
        if g.used_cells:
            g.emit("atomicAdd(&cells[0], 1);")
        counts = self._results(g, threads, blocks)
        g.margin = 0
        tensors = [(name, kind, counts[name]) for name, kind in _OUTPUTS if counts[name]]
        tensors.append(("done", INT, threads * blocks))
        if g.used_cells:
            tensors.append(("cells", INT, 5 * CELLS))
        head += [f"{kind.name}* {name}" for name, kind, _ in tensors]
        params += [Tensor(name, (size,), kind.dtype, "inout") for name, kind, size in tensors]
        entry = f"{writes.get(self.dialect, '')}void k({', '.join(head)}) {{"
        text = "\n".join([*g.lines[:begin], entry, *g.lines[begin:], "}"]) + "\n"
        filename = f"fuzz.{_END[self.dialect]}"
        kernel = Kernel(text, self.dialect, "k", tuple(params), launch, filename=filename)
        return Program(kernel, self.c.below(1000))

    def _launch(self) -> tuple[Launch | None, int, int, list[str]]:
        """The launch, threads of a block, blocks, and how a thread learns its number."""
        if self.dialect == "vnni":
            return None, 1, 1, ["const int t = 0, blk = 0;"]
        if self.dialect == "bang":
            tasks = self.c.pick((1, 4))
            return Launch(tasks=(tasks, 1, 1), kind="block"), tasks, 1, [
                "const int t = taskId, blk = 0;"]  # fmt: skip
        shape, blocks = self.c.pick(_SHAPES), self.c.pick((1, 2, 3))
        thread = "threadIdx.x"
        if len(shape) > 1:
            thread = "threadIdx.y * blockDim.x + threadIdx.x"
        if len(shape) > 2:
            thread = "(threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x"
        names = [f"int t = {thread};", "int blk = blockIdx.x;"]
        return Launch((blocks,), shape), int(np.prod(shape)), blocks, names

    def _results(self, g: Threads, threads: int, blocks: int) -> dict[str, int]:
        """Every variable that is left goes to the outputs; how many elements these have."""
        found: dict[str, list[str]] = {name: [] for name, _ in _OUTPUTS}
        for one in g.scope.variables:
            found[_output(one.type)].append(one.name)
        g.emit(f"int at = blk * {threads} + t;")
        for name, values in found.items():
            for number, value in enumerate(values):
                g.emit(f"{name}[at * {len(values)} + {number}] = {value};")
        return {name: threads * blocks * len(values) for name, values in found.items()}


def _vector(of: Type, lanes: int) -> Class:
    """One of the dialect's own classes, such as `float4`."""
    stem = {UNSIGNED: "uint"}.get(of, of.name)
    return Class(f"{stem}{lanes}", [variable(name, of) for name in "xyzw"[:lanes]])


def _output(kind: Type) -> str:
    if kind.is_float:
        return "od" if kind == DOUBLE else "of"
    return "ol" if kind.bits == 64 or kind == UNSIGNED else "oi"


_END = {"cuda": "cu", "hip": "hip", "bang": "mlu", "vnni": "c"}
