"""From a kernel's text to what each form of it computes."""

from __future__ import annotations

import numpy as np

from xpiler_tvm import Kernel, Launch, Scalar, Tensor, frontends
from xpiler_tvm.emulation import numpy_dtype, run_module, run_text, unwritten_array
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import Raised, raise_program
from xpiler_tvm.frontends.reading import Reading
from xpiler_tvm.kernel import Dialect, Param

Given = Param | tuple[str, np.ndarray] | tuple[str, int] | tuple[str, float]


def out(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "out")


def parameter(given: Given) -> Param:
    """A pair of name and array is an input, one of name and number a scalar with that value."""
    if not isinstance(given, tuple):
        return given
    name, value = given
    if isinstance(value, np.ndarray):
        return Tensor(name, value.shape, value.dtype.name)
    return Scalar(name, "float32" if isinstance(value, float) else "int32", value)


def kernel(
    text: str,
    *params: Given,
    grid: tuple[int, ...] = (1,),
    block: tuple[int, ...] = (1,),
    shared: int = 0,
    entry: str | None = None,
    dialect: Dialect = "cuda",
) -> Kernel:
    """A kernel, CUDA's unless told otherwise, resolved.

    `text` is a file, or the body of a kernel of the parameters.
    """
    known = tuple(map(parameter, params))
    if "__global__" not in text:
        text = f"__global__ void k({', '.join(map(_declared, known))}) {{\n{text}\n}}\n"
    launch = Launch(grid, block, shared)
    return frontends.resolve(Kernel(text, dialect, entry, known, launch, filename="kernel.cu"))


_C = {"float32": "float", "float64": "double", "int32": "int", "uint32": "unsigned"}
_C |= {"int16": "short", "uint16": "unsigned short"}
_C |= {
    "uint64": "unsigned long long",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int64": "long long",
    "float16": "__half",
}


def _declared(param: Param) -> str:
    if isinstance(param, Scalar):
        return f"{_C[param.dtype]} {param.name}"
    return f"{'' if param.written else 'const '}{_C[param.dtype]}* {param.name}"


def arrays_for(known: Kernel, given: tuple[Given, ...]) -> list[np.ndarray]:
    values = {pair[0]: pair[1] for pair in given if isinstance(pair, tuple)}
    arrays = []
    for tensor in known.tensors:
        assert tensor.shape is not None
        empty = unwritten_array(tensor.shape, numpy_dtype(tensor.dtype))
        arrays.append(np.asarray(values.get(tensor.name, empty)))
    return arrays


def run_flat(
    text: str,
    *params: Given,
    grid: tuple[int, ...] = (1,),
    block: tuple[int, ...] = (1,),
    shared: int = 0,
    entry: str | None = None,
) -> np.ndarray:
    """What the flat program of a kernel leaves in its last tensor."""
    known = kernel(text, *params, grid=grid, block=block, shared=shared, entry=entry)
    reading = frontends.read(known)
    run = run_module(to_module(reading.program), arrays_for(reading.kernel, params))
    return run.arrays[-1]


def flat_and_source(
    text: str,
    *params: Given,
    grid: tuple[int, ...] = (1,),
    block: tuple[int, ...] = (1,),
    shared: int = 0,
    dialect: Dialect = "cuda",
) -> tuple[np.ndarray, np.ndarray]:
    """What the flat program leaves in the last tensor, and what the emulated source does."""
    known = kernel(text, *params, grid=grid, block=block, shared=shared, dialect=dialect)
    reading = frontends.read(known)
    arrays = arrays_for(reading.kernel, params)
    flat = run_module(to_module(reading.program), arrays).arrays[-1]
    given = {t.name: array for t, array in zip(reading.kernel.tensors, arrays, strict=True)}
    source = run_text(reading.kernel, given, text=frontends.device_text(reading.kernel)).arrays
    return flat, source[reading.kernel.tensors[-1].name]


def raised(known: Kernel) -> tuple[Reading, Raised]:
    reading = frontends.read(known)
    return reading, raise_program(reading.program)


def run_both(known: Kernel, *params: Given) -> tuple[Raised, np.ndarray, np.ndarray]:
    """The raised form, and what the flat and the raised one leave in the last tensor."""
    reading, form = raised(known)
    arrays = arrays_for(reading.kernel, params)
    flat = run_module(to_module(reading.program), arrays).arrays[-1]
    return form, flat, run_module(form.mod, arrays).arrays[-1].reshape(flat.shape)


def random(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.uniform(-1, 1, shape).astype(dtype)
    return rng.integers(0 if dtype.startswith("u") else -100, 100, shape).astype(dtype)
