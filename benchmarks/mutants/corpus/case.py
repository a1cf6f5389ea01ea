"""A kernel of the corpus, and the short way in which the tables write one down."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xpiler_tvm.emulation import numpy_dtype
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.kernel import SUFFIXES, Kernel, Launch, Param, Scalar, Tensor
from xpiler_tvm.ranges import Ranges

FOLDER = Path(__file__).parent
Arrays = dict[str, np.ndarray]
Reference = Callable[..., Any]

_ENTRY = re.compile(r"__(?:mlu_)?global__\s+void\s+(\w+)")


@dataclass(frozen=True, eq=False)
class Case:
    """A correct kernel.

    `reference` takes the arrays of the `in` and `inout` tensors by name, floats as float64 and
    integers as int64, and returns the array of the only written tensor, or all of them by name.
    `ranges` are the values that tensors of indices may hold.
    """

    name: str
    kernel: Kernel
    reference: Reference
    ranges: Ranges

    @property
    def dialect(self) -> str:
        return self.kernel.dialect

    def expected(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """What the kernel should make of `inputs`, in the types of its tensors."""
        wide: Arrays = {
            tensor.name: inputs[tensor.name].astype(_wide(inputs[tensor.name].dtype))
            for tensor in self.kernel.tensors
            if tensor.intent != "out"
        }
        found = self.reference(**wide)
        written = [tensor for tensor in self.kernel.tensors if tensor.written]
        if not isinstance(found, dict):
            found = {written[0].name: found}
        return {
            tensor.name: np.asarray(found[tensor.name]).astype(numpy_dtype(tensor.dtype))
            for tensor in written
        }


def _wide(dtype: np.dtype) -> type:
    return np.float64 if is_float(dtype) else np.int64


@dataclass
class Book:
    """The table of a dialect; its decorator puts a kernel's file and its reference together."""

    cases: list[Case] = field(default_factory=list)

    def add(
        self,
        filename: str,
        *params: Param,
        ranges: Ranges | None = None,
        **launch: Any,
    ) -> Callable[[Reference], Reference]:
        path = FOLDER / filename
        text = path.read_text(encoding="utf-8")
        entry = _ENTRY.findall(text)[-1]
        where = Launch(**launch)
        kernel = Kernel(text, SUFFIXES[path.suffix], entry, params, where, filename=filename)

        def keep(reference: Reference) -> Reference:
            self.cases.append(Case(filename, kernel, reference, ranges or {}))
            return reference

        return keep


def given(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def made(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "out")


def updated(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "inout")


def number(name: str, value: float, dtype: str = "int32") -> Scalar:
    return Scalar(name, dtype, value)
