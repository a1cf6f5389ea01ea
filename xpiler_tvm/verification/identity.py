"""Whether two texts compute the same polynomials: equality without a tolerance.

Both run over the integers modulo a prime (`emulation.field`) at random points. Two different
polynomials of degree d agree at a random point with a probability of at most d/p (Schwartz 1980,
Zippel 1979), at three points with its cube. The same holds for quotients of polynomials, with d the
degree of numerator and denominator together. Nothing is rounded, so neither the order of sums nor
the precision of what is between matters: a wrong index, sign, bound or start cannot hide in a
tolerance. What is computed with precision lost cannot be seen here; bounds are for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xpiler_tvm.emulation import numpy_dtype, run_module_each
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.emulation.field import FIELDS, has_sixteen_bits
from xpiler_tvm.emulation.source import Build
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel, Scalar
from xpiler_tvm.ranges import Ranges

from .domains import Residue
from .inputs import inputs_for
from .reinterpretation import reinterpreted, together

if TYPE_CHECKING:
    from tvm import tirx

POINTS = 3

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Sequence[Arrays], Build], Sequence[Arrays]]
"""Runs one of the programs from several sets of arrays by the kernel's names; gives all arrays of
each run by these names."""


def check_identity(
    name: str,
    kernel: Kernel,
    runs: tuple[Run, Run],
    texts: Sequence[str],
    *,
    seed: int = 0,
    ranges: Ranges | None = None,
) -> Check | None:
    """Whether both programs give equal outputs at `POINTS` random points of a finite field.

    `kernel` has the parameters that both programs take, `texts` are what they are made of. `None`
    where no floating-point number is written: integers are compared exactly anyway. Where the texts
    contain constants or casts that only make sense in rounded arithmetic, a difference is no
    refutation, and the verdict is `unknown`.
    """
    if not any(is_float(numpy_dtype(tensor.dtype)) for tensor in kernel.tensors if tensor.written):
        return None
    dtypes = {param.dtype for param in kernel.params or ()}
    small = bool(dtypes & {"float16", "bfloat16"}) or any(map(has_sixteen_bits, texts))
    build: Build = "small field" if small else "field"
    prime = FIELDS[build]
    points = [_point(kernel, prime, seed + number, ranges) for number in range(POINTS)]
    try:
        results = [run(points, build) for run in runs]
    except XpilerError as error:
        return Check(name, "unknown", _reason(error))
    for first, second in zip(*results, strict=True):
        detail = _difference(kernel, first, second, prime)
        doubt = inexact(texts) if detail else ""
        if doubt:
            return Check(name, "unknown", f"{detail}, which may be due to {doubt}")
        if detail:
            return Check(name, "refuted", detail)
    detail = (
        f"equal modulo {prime} at {POINTS} random points; another polynomial of degree d passes "
        f"with probability (d/{prime})^{POINTS}"
    )
    return Check(name, "tested", detail)


def _difference(kernel: Kernel, first: Arrays, second: Arrays, prime: int) -> str:
    """The first element in which two runs differ; empty where there is none."""
    for tensor in kernel.tensors:
        if not tensor.written:
            continue
        left, right = (_bits(side[tensor.name]) for side in (first, second))
        wrong = np.flatnonzero(left != right)
        if wrong.size:
            place = np.unravel_index(int(wrong[0]), tensor.shape or (left.size,))
            where = f"{tensor.name}[{', '.join(str(int(i)) for i in place)}]"
            return (
                f"{wrong.size} of {left.size} elements of {tensor.name!r} differ modulo {prime}; "
                f"first {where}"
            )
    return ""


def run_over_field(func: tirx.PrimFunc, kernel: Kernel, scalars: Sequence[int | float]) -> Run:
    """Runs a flat program of `kernel` as `check_identity` wants it; `scalars` are its free ones.

    Raises `Undefined` where the program is no polynomial.
    """

    def run(points: Sequence[Arrays], build: Build) -> list[dict[str, np.ndarray]]:
        domain = Residue(FIELDS[build])
        module = together([reinterpreted(func, domain)])
        numbers = [
            domain.scalar(value) if "float" in scalar.dtype else value
            for scalar, value in zip(_free(kernel), scalars, strict=True)
        ]
        starts = []
        for arrays in points:
            flat = [np.ascontiguousarray(arrays[t.name]).reshape(-1) for t in kernel.tensors]
            given = [domain.array(one) if is_float(one.dtype) else one for one in flat]
            starts.append((given, numbers))
        found = run_module_each(module, starts)
        return [
            {
                tensor.name: _as_bytes(array, numpy_dtype(tensor.dtype))
                for tensor, array in zip(kernel.tensors, one.arrays, strict=True)
            }
            for one in found
        ]

    # Tells what is not polynomial before anything is compiled.
    reinterpreted(func, Residue(FIELDS["field"]))
    return run


def _free(kernel: Kernel) -> list[Scalar]:
    return [scalar for scalar in kernel.scalars if scalar.value is None]


def exact_scalars(kernel: Kernel) -> Kernel:
    """The kernel with each floating-point scalar rounded to its type.

    A field takes a number for what it is, so all programs must be given the same one.
    """
    params = tuple(
        replace(param, value=float(numpy_dtype(param.dtype).type(param.value)))
        if isinstance(param, Scalar) and "float" in param.dtype and param.value is not None
        else param
        for param in kernel.params or ()
    )
    return kernel.with_params(params)


def _point(kernel: Kernel, prime: int, seed: int, ranges: Ranges | None) -> dict[str, np.ndarray]:
    """Inputs: elements of the field for floating-point numbers, in their bytes; not zero, as
    quotients do not like it."""
    arrays = inputs_for(kernel, seed, "random", ranges)
    for position, tensor in enumerate(kernel.tensors):
        dtype = numpy_dtype(tensor.dtype)
        if tensor.intent != "out" and is_float(dtype):
            rng = np.random.default_rng([seed, position, prime])
            drawn = rng.integers(1, prime, arrays[tensor.name].shape)
            arrays[tensor.name] = drawn.astype(f"u{dtype.itemsize}").view(dtype)
    return arrays


def _as_bytes(residues: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Residues in the bytes of the numbers that they stand for."""
    if not is_float(dtype):
        return residues
    return residues.astype(f"u{dtype.itemsize}").view(dtype)


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")


def _reason(error: XpilerError) -> str:
    """Why there is no answer, with the place in the text."""
    if error.code == "XP5010":
        return error.message
    place = f" in line {error.span.line}" if error.span else ""
    message = re.sub(r"[^:]*could not compile '[^']*': ", "", error.message)
    message = re.sub(r"(const )?xp::\{anonymous\}::|\{aka [^}]*\}+ ?", "", message)
    message = message.replace("XpFloat", "float").replace("XpDouble", "double")
    message = message.replace("XpHalf", "half").replace("XpBfloat16", "bfloat16")
    return f"not polynomial, or not in a form that a field takes: {message.strip()}{place}"


_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LITERAL = re.compile(
    r"(?<![\w.])(0[xX][0-9a-fA-F.]+[pP][+-]?\d+|(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?)"
)
_QUOTIENT = re.compile(
    r"/(?!=)(?!\s*(?:1|2|4|8|16|32|64|128|256|512|1024|2048|4096)(?:\.0*)?[fFuUlL]*(?![\w.]))"
)
_CAST = re.compile(
    r"\bunion\b|reinterpret_cast\s*<\s*(?:const\s+)?(?:unsigned|int|u?int\d+_t|short|long|char)\b"
)
SHORT_BITS = 11


def inexact(texts: Sequence[str]) -> str:
    """Why equal polynomials could differ in a field: rounded constants, quotients of constants that
    a compiler computes, casts of bits. Empty where there is nothing of it."""
    for text in (_COMMENT.sub(" ", one) for one in texts):
        for literal in _LITERAL.findall(text):
            value = float.fromhex(literal) if literal[:2] in ("0x", "0X") else float(literal)
            odd = abs(value.as_integer_ratio()[0]) if np.isfinite(value) else 0
            while odd and odd % 2 == 0:
                odd //= 2
            if odd.bit_length() > SHORT_BITS:
                return f"the rounded constant {literal}"
        if _QUOTIENT.search(text):
            return "a quotient of constants that is rounded in one of them"
        if _CAST.search(text):
            return "casts of bits"
    return ""
