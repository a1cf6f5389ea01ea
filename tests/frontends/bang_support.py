"""Kernels in BANG C, read and emulated on the same data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xpiler_tvm import Kernel, Launch, Scalar, Tensor, frontends
from xpiler_tvm.emulation import numpy_dtype, run_module, run_text, unwritten_array
from xpiler_tvm.emulation.exposing import exposed
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import Param

Given = Param | tuple[str, np.ndarray] | tuple[str, int] | tuple[str, float]

C_NAMES = {
    "float32": "float",
    "float16": "half",
    "bfloat16": "bfloat16_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int",
    "uint32": "unsigned",
}


def out(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "out")


def kernel(
    text: str,
    *params: Given,
    declare: str = "",
    tasks: tuple[int, ...] = (1,),
    kind: str = "block",
    mode: Any = "strict",
) -> Kernel:
    """A kernel of a file, or of the body of one with IN(to, from, n) and OUT(to, from, n)."""
    known = tuple(map(_parameter, params))
    if "__mlu_global__" not in text:
        text = f"""#include "bang.h"
#define IN(to, from, n) __memcpy(to, from, (n) * sizeof(*(from)), GDRAM2NRAM)
#define OUT(to, from, n) __memcpy(to, from, (n) * sizeof(*(to)), NRAM2GDRAM)
{declare}
__mlu_global__ void k({", ".join(map(_declared, known))}) {{
{text}
}}
"""
    launch = Launch(tasks=tasks, kind=kind)
    made = Kernel(text, "bang", None, known, launch, filename="kernel.mlu", mode=mode)
    return frontends.resolve(made)


def _parameter(given: Given) -> Param:
    if not isinstance(given, tuple):
        return given
    name, value = given
    if isinstance(value, np.ndarray):
        return Tensor(name, value.shape, value.dtype.name)
    return Scalar(name, "float32" if isinstance(value, float) else "int32", value)


def _declared(param: Param) -> str:
    kind = C_NAMES[param.dtype]
    if isinstance(param, Scalar):
        return f"{kind} {param.name}"
    return f"{'' if param.written else 'const '}{kind}* {param.name}"


def run_both(text: str, *params: Given, **about: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the last tensor holds: of the emulated source, and of the flat program."""
    made = kernel(text, *params, **about)
    reading = frontends.read(made)
    values = {given[0]: given[1] for given in params if isinstance(given, tuple)}
    arrays = [
        np.asarray(values[one.name])
        if one.name in values
        else unwritten_array(one.shape or (), numpy_dtype(one.dtype))
        for one in reading.kernel.tensors
    ]
    named = {one.name: array for one, array in zip(made.tensors, arrays, strict=True)}
    emulated = run_text(reading.kernel, named, text=frontends.device_text(reading.kernel))
    mod, local = exposed(to_module(reading.program))
    flat = run_module(mod, [*arrays, *local]).arrays[len(arrays) - 1]
    return emulated.arrays[made.tensors[-1].name], flat


def check(text: str, *params: Given, rtol: float = 0.0, **about: Any) -> np.ndarray:
    """That both are equal, unwritten elements included; gives the result."""
    emulated, flat = run_both(text, *params, **about)
    if rtol:
        kind = np.float64
        np.testing.assert_allclose(flat.astype(kind), emulated.astype(kind), rtol, 1e-6)
    else:
        np.testing.assert_array_equal(flat.view("u1"), emulated.view("u1"))
    return emulated


def refusal(text: str, *params: Given, **about: Any) -> XpilerError:
    """What reading a kernel raises."""
    with pytest.raises(XpilerError) as caught:
        frontends.read(kernel(text, *params, **about))
    return caught.value
