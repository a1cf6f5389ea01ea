"""Kernels in BANG C around a body, and what goes wrong in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xpiler_tvm.emulation import Run
from xpiler_tvm.errors import XpilerError

from .support import execute, first

REFUSED = ("XP1002", "XP6003")
"""Codes of a text that is never run: refused by the check of the text, or by the compiler."""

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


def whole_run(body: str, *params: object, declare: str = "", **about: Any) -> Run:
    """A kernel with NRAM `a`, `b`, `c`, `d` of 8192 floats each and WRAM `w`."""
    names = ", ".join(
        f"const {C_NAMES[param[1].dtype.name]}* {param[0]}"
        if isinstance(param, tuple)
        else f"{C_NAMES[param.dtype]}* {param.name}"  # type: ignore[attr-defined]
        for param in params
    )
    source = f"""#include "bang.h"
__nram__ float a[8192], b[8192], c[8192], d[8192];
__wram__ float w[16384];
{declare}
#define IN(to, from, n) __memcpy(to, from, (n) * sizeof(*(from)), GDRAM2NRAM)
#define OUT(from, n) __memcpy(y, from, (n) * sizeof(*y), NRAM2GDRAM)
__mlu_global__ void k({names}) {{
  {body}
}}"""
    return execute(source, *params, **{"tasks": (1,), **about})  # type: ignore[arg-type]


def run(body: str, *params: object, **about: Any) -> np.ndarray:
    """`y` after such a kernel."""
    return first(whole_run(body, *params, **about))


def failure(body: str, *params: object, **about: Any) -> XpilerError:
    with pytest.raises(XpilerError) as caught:
        whole_run(body, *params, **about)
    return caught.value
