"""What a kernel should give: its flat program in double precision, and how far from it is allowed.

The program is evaluated over the domains of `domains`, all of them in one function that is compiled
and run once for each set of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.emulation import is_unwritten, numpy_dtype, run_module_each, unwritten_array
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel, Tensor

from .domains import Domain, Double, Magnitude, Terms, Undefined
from .reinterpretation import optional, reinterpreted, together
from .tolerances import UNIT_ROUNDOFF, bound, derived_bound, likely_terms

Arrays = Mapping[str, np.ndarray]

Start = tuple[Arrays, Mapping[str, "int | float"]]

RUN_SECONDS = 60.0
# What jumps: a rounding error before it can become a whole step behind it.
_STEPS = frozenset(("floor", "ceil", "trunc", "round", "nearbyint", "rint", "fmod", "copysign"))


@dataclass(frozen=True, eq=False)
class Limits:
    """What is right for one set of inputs, and within what.

    Attributes
    ----------
    values : results in double precision by tensor; empty where there is no such run.
    bounds : the largest error of each element of a floating-point output, in float64.
    doubt : why a result outside the bounds of `values` need not be wrong; empty where it is.
    """

    values: Arrays = field(default_factory=dict)
    bounds: Arrays = field(default_factory=dict)
    doubt: str = ""

    def check(self, name: str, outputs: Arrays, kernel: Kernel) -> Check:
        """Whether `outputs` are the values of double precision within their bounds."""
        from .compare import compare

        expected = {
            tensor.name: _as_expected(self.values[tensor.name], outputs[tensor.name])
            for tensor in kernel.tensors
            if tensor.written
        }
        check = compare(name, expected, outputs, kernel, bounds=self.bounds)
        if check.verdict == "refuted" and self.doubt:
            return replace(check, verdict="unknown", detail=f"{self.doubt}: {check.detail}")
        return check


def _as_expected(value: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Results of double precision as `given`, in its own type, can have them.

    What neither has written counts as unwritten in both, and what is too large for the type may be
    infinite.
    """
    value = value.reshape(given.shape)
    if not is_float(given.dtype):
        return value
    numbers = given.astype(np.float64)
    most = float(np.nextafter(np.array(np.inf, given.dtype), np.array(0, given.dtype)))
    beyond = np.isinf(numbers) & (np.abs(value) >= most) & (np.sign(value) == np.sign(numbers))
    value = np.where(beyond, numbers, value)
    return np.where(
        is_unwritten(given) & np.isnan(value), unwritten_array(given.shape, value.dtype), value
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """A flat program ready to be evaluated: `module` runs all of `domains`, in their order.

    `computed` and `rounded` are the unit roundoffs of `tolerances.derived_bound`; `counts` has the
    number of terms of each element of an output, where it is known.
    """

    kernel: Kernel
    module: tvm.IRModule
    domains: tuple[Domain, ...]
    computed: float
    rounded: float
    doubt: str
    polynomial: bool

    @classmethod
    def of(cls, flat: tvm.IRModule, kernel: Kernel) -> Reference:
        """The reference of `kernel`, whose flat program is `flat`."""
        func = flat["main"]
        functions, domains = [], []
        for domain in (Double(), Magnitude(), Terms()):
            try:
                function = reinterpreted(func, domain)
            except Undefined:
                continue
            # How many terms there are does not depend on their values: the first run tells.
            functions.append(optional(function) if isinstance(domain, Terms) else function)
            domains.append(domain)
        computed, rounded = _roundings(func, kernel)
        doubt = _steps(func)
        polynomial = any(isinstance(domain, Magnitude) for domain in domains)
        if not polynomial and not doubt:
            doubt = "no polynomial, so the bound is a rule of thumb"
        module = together(functions) if functions else flat
        return cls(kernel, module, tuple(domains), computed, rounded, doubt, polynomial)

    def limits(self, starts: Sequence[Start]) -> list[Limits]:
        """What is right for each of `starts`: arrays by the names of `kernel`'s tensors, scalars.

        Without a run in double precision (it failed, or there is none) the bounds are left to
        `compare`.
        """
        if not self.domains:
            return [Limits()] * len(starts)
        try:
            scalars = [start[1] for start in starts]
            # Scalars decide about lengths, though.
            counted = [
                number == 0 or scalars[number] != scalars[0] for number in range(len(starts))
            ]
            given = [
                self._arguments(*start, count) for start, count in zip(starts, counted, strict=True)
            ]
            runs = run_module_each(self.module, given, seconds=RUN_SECONDS)
        except XpilerError:
            return [Limits()] * len(starts)
        first = self._results(runs[0].arrays)
        limits = []
        for run, count in zip(runs, counted, strict=True):
            results = self._results(run.arrays)
            if not count and Terms in results:
                results[Terms] = first[Terms]
            limits.append(self._limits(results))
        return limits

    def _results(self, arrays: Sequence[np.ndarray]) -> dict[type, dict[str, np.ndarray]]:
        count = len(self.kernel.tensors)
        results: dict[type, dict[str, np.ndarray]] = {}
        for number, domain in enumerate(self.domains):
            mine = arrays[number * count : (number + 1) * count]
            named = zip(self.kernel.tensors, mine, strict=True)
            results[type(domain)] = {tensor.name: array for tensor, array in named}
        return results

    def _limits(self, results: Mapping[type, Arrays]) -> Limits:
        values = results.get(Double, {})
        bounds = {
            tensor.name: self._bound(tensor, results, values)
            for tensor in self.kernel.tensors
            if tensor.written and is_float(numpy_dtype(tensor.dtype)) and tensor.name in values
        }
        return Limits(values, bounds, self.doubt)

    def _bound(self, tensor: Tensor, results: Mapping[type, Arrays], values: Arrays) -> np.ndarray:
        terms: Any = likely_terms(self.kernel)
        if Terms in results:
            # Products multiply the counts: right for polynomials, far too many for quotients.
            counted = np.nan_to_num(results[Terms][tensor.name], nan=1.0)
            terms = counted if Magnitude in results else np.minimum(counted, terms)
        if Magnitude in results:
            scale = np.nan_to_num(results[Magnitude][tensor.name], nan=0.0)
            return derived_bound(scale, terms, self.computed, self.rounded)
        exact = values[tensor.name]
        dtype = next(name for name, unit in UNIT_ROUNDOFF.items() if unit == self.computed)
        limit = bound(exact, dtype, terms)
        if self.rounded:
            narrow = next(name for name, unit in UNIT_ROUNDOFF.items() if unit == self.rounded)
            limit = limit + bound(exact, narrow, 1)
        return limit

    def _arguments(
        self, inputs: Arrays, scalars: Mapping[str, int | float], count: bool
    ) -> tuple[list[np.ndarray], list[int | float]]:
        """What `module` takes: the tensors, and the free scalars, once for each domain."""
        arrays: list[np.ndarray] = []
        numbers: list[int | float] = []
        for domain in self.domains:
            for tensor in self.kernel.tensors:
                given = np.ascontiguousarray(inputs[tensor.name]).reshape(-1)
                arrays.append(self._argument(domain, tensor, given))
            for scalar in self.kernel.scalars:
                if scalar.value is None:
                    value = scalars[scalar.name]
                    numbers.append(domain.scalar(value) if "float" in scalar.dtype else value)
            if isinstance(domain, Terms):
                numbers.append(int(count))
        return arrays, numbers

    @staticmethod
    def _argument(domain: Domain, tensor: Tensor, given: np.ndarray) -> np.ndarray:
        if not is_float(given.dtype):
            return given
        if tensor.intent == "out":
            return np.full(given.shape, np.nan)
        return domain.array(given)


def _roundings(func: tirx.PrimFunc, kernel: Kernel) -> tuple[float, float]:
    """Unit roundoffs of the types in which a program computes, and of those that it stores in."""
    computed, stored = {"float64"}, {"float64"}

    def operation(expr: Any) -> None:
        chooses = str(getattr(getattr(expr, "op", None), "name", "")).endswith("if_then_else")
        if "float" in tir.dtype_of(expr) and not chooses:
            computed.add(tir.dtype_of(expr))

    def cast(expr: Any) -> None:
        if "float" in tir.dtype_of(expr):
            stored.add(tir.dtype_of(expr))

    arithmetic = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div)
    table = [(kind, operation) for kind in (*arithmetic, tvm.ir.Call)] + [(tirx.Cast, cast)]
    tvm_ffi.structural_walk(func.body, table, order="post")
    stored |= {t.dtype for t in kernel.tensors if t.written and t.dtype in UNIT_ROUNDOFF}
    units = (
        max(UNIT_ROUNDOFF[name] for name in computed),
        max(UNIT_ROUNDOFF[name] for name in stored),
    )
    return units[0], units[1] if units[1] > units[0] else 0.0


def _steps(func: tirx.PrimFunc) -> str:
    """Whether a small error can change a result by more: a test of numbers, a step function."""
    found: list[str] = []

    def comparison(expr: Any) -> None:
        if "float" in tir.dtype_of(expr.a):
            found.append("it compares numbers that are rounded")

    def call(expr: Any) -> None:
        name = str(getattr(expr.op, "name", "")).rpartition(".")[2]
        if name in _STEPS:
            found.append(f"it takes {name} of rounded numbers")

    def cast(expr: Any) -> None:
        if "float" in tir.dtype_of(expr.value) and "float" not in tir.dtype_of(expr):
            found.append("it turns rounded numbers into integers")

    kinds = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)
    table = [(kind, comparison) for kind in kinds] + [(tvm.ir.Call, call), (tirx.Cast, cast)]
    tvm_ffi.structural_walk(func.body, table, order="pre")
    return found[0] if found else ""
