"""Short ways to write a kernel down and run it."""

from __future__ import annotations

import numpy as np

from xpiler_tvm.dialects.bang import Mode
from xpiler_tvm.emulation import Run, run_text
from xpiler_tvm.emulation.source import Build
from xpiler_tvm.kernel import Dialect, Kernel, Launch, Param, Scalar, Tensor


def tensor(name: str, array: np.ndarray | None = None, **about: object) -> Tensor:
    """A tensor parameter with the shape and dtype of `array`."""
    if array is not None:
        about = {"shape": array.shape, "dtype": array.dtype.name, **about}
    return Tensor(name, **about)  # type: ignore[arg-type]


def out(name: str, shape: tuple[int, ...] | int, dtype: str = "float32") -> Tensor:
    return Tensor(name, (shape,) if isinstance(shape, int) else shape, dtype, "out")


def execute(
    source: str,
    *params: Param | tuple[str, np.ndarray],
    grid: tuple[int, ...] = (1,),
    block: tuple[int, ...] = (32,),
    shared: int = 0,
    dialect: Dialect = "cuda",
    entry: str = "k",
    seconds: float = 20.0,
    tasks: tuple[int, ...] = (),
    kind: str = "block",
    arch: str | None = None,
    mode: Mode = "strict",
    build: Build = "fast",
) -> Run:
    """Runs `source`; a pair (name, array) is an input. With `tasks` it is BANG C."""
    arrays = {param[0]: param[1] for param in params if isinstance(param, tuple)}
    described = tuple(
        tensor(param[0], param[1]) if isinstance(param, tuple) else param for param in params
    )
    launch = Launch(grid, block, shared)
    if tasks:
        dialect, launch = "bang", Launch(tasks=tasks, kind=kind)
    kernel = Kernel(source, dialect, entry, described, launch, filename="kernel.cu")
    return run_text(kernel, arrays, seconds=seconds, arch=arch, mode=mode, build=build)


def first(run: Run, name: str = "y") -> np.ndarray:
    return run.arrays[name]


def number(name: str, value: float, dtype: str = "int32") -> Scalar:
    return Scalar(name, dtype, value)


def random(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.uniform(-1, 1, shape).astype(dtype)
    return rng.integers(-100, 100, shape).astype(dtype)
