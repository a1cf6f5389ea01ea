"""Sums and maxima over the threads of a block, as the functions that a person would write.

    tvm_thread_allreduce(1, x, True, y, threadIdx.x)      ->      y = block_sum(x);

| threads | how |
|---|---|
| at most a warp, a power of two | shuffles, each lane with its partner: all get the result |
| several whole warps along x | shuffles, one value a warp in shared memory, shuffles again |
| any other | shared memory, halved step by step |

Values that are reduced together (a maximum and where it is) take the last form, in which one thread
alone decides for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tvm
from tvm import tirx

AXES = ("threadIdx.x", "threadIdx.y", "threadIdx.z")


@dataclass(frozen=True)
class Shuffles:
    """How a language exchanges values between lanes; `warp` lanes run together.

    `xor` is a call with places for `{value}`, `{distance}` and `{width}`. Types that no shuffle
    takes travel as one that holds all their values.
    """

    warp: int
    xor: str

    def exchange(self, ctype: str, value: str, distance: str, width: int) -> str:
        """The value of the lane whose number differs by `distance`, a power of two."""
        carrier = _CARRIERS.get(ctype)
        if carrier is None:
            return self.xor.format(value=value, distance=distance, width=width)
        moved = self.xor.format(value=f"({carrier}){value}", distance=distance, width=width)
        return f"({ctype}){moved}"


_CARRIERS = {
    **dict.fromkeys(("half", "_Float16", "nv_bfloat16", "__hip_bfloat16"), "float"),
    **dict.fromkeys(("int8_t", "uint8_t", "int16_t", "uint16_t", "bool"), "int"),
}


@dataclass(frozen=True)
class Reduction:
    """One `tvm_thread_allreduce`: over `axes` of a block of `block` threads.

    `types` are the C types of the values, `combine` gives the text of each result for the names of
    both sides, and `kind` is a word for it.
    """

    kind: str
    types: tuple[str, ...]
    axes: tuple[str, ...]
    block: tuple[int, int, int]
    combine: Callable[[Sequence[str], Sequence[str]], list[str]]

    @property
    def extent(self) -> int:
        """The threads whose values become one."""
        count = 1
        for axis in self.axes:
            count *= self.block[AXES.index(axis)]
        return count

    def form(self, warp: int) -> str:
        """`warp`, `warps` or `shared`: the first column of the table above."""
        alone = self.axes == AXES[:1] and len(self.types) == 1
        if alone and self.extent <= warp and _is_power_of_two(self.extent):
            return "warp"
        if alone and self.extent % warp == 0 and _is_power_of_two(self.extent):
            return "warps"
        return "shared"

    def shared_elements(self, warp: int) -> int:
        """Elements of shared memory for each value."""
        x, y, z = self.block
        return {"warp": 0, "warps": x * y * z // warp, "shared": x * y * z}[self.form(warp)]

    def name(self, warp: int) -> str:
        words = {"warp": "warp", "warps": "block", "shared": "block"}
        along = "" if self.axes == AXES[:1] else "_" + "".join(axis[-1] for axis in self.axes)
        width = f"_{self.extent}" if self.form(warp) == "warp" and self.extent < warp else ""
        return f"{words[self.form(warp)]}_{self.kind}{along}{width}"

    def definition(self, name: str, qualifiers: str, shuffles: Shuffles) -> str:
        """The text of the function. With several values it takes and fills references."""
        form = self.form(shuffles.warp)
        if form == "shared":
            return self._through_shared(name, qualifiers)
        (ctype,) = self.types
        warp = min(self.extent, shuffles.warp)
        lines = [f"{qualifiers} {ctype} {name}({ctype} x) {{", *self._butterfly(warp, shuffles)]
        if form == "warps":
            lines += self._between_warps(shuffles)
        return "\n".join([*lines, "  return x;", "}", ""])

    def _butterfly(self, width: int, shuffles: Shuffles) -> list[str]:
        (ctype,) = self.types
        (combined,) = self.combine(["x"], ["y"])
        other = shuffles.exchange(ctype, "x", "d", width)
        return [
            "#pragma unroll",
            f"  for (int d = {width // 2}; d > 0; d /= 2) {{",
            f"    const {ctype} y = {other};",
            f"    x = {combined};",
            "  }",
        ]

    def _between_warps(self, shuffles: Shuffles) -> list[str]:
        (ctype,) = self.types
        _, y, z = self.block
        warp, warps, rows = shuffles.warp, self.extent // shuffles.warp, y * z
        row = "threadIdx.y" if z == 1 else f"(threadIdx.z * {y} + threadIdx.y)"
        place = "" if rows == 1 else f"{row} * {warps} + "
        return [
            f"  __shared__ {ctype} parts[{rows * warps}];",
            "  __syncthreads();  // the parts of the call before have been read",
            f"  if (threadIdx.x % {warp} == 0) parts[{place}threadIdx.x / {warp}] = x;",
            "  __syncthreads();",
            f"  x = parts[{place}threadIdx.x % {warps}];",
            *self._butterfly(warps, shuffles),
        ]

    def _through_shared(self, name: str, qualifiers: str) -> str:
        """Halves are added up; the middle one of an odd number waits for its turn."""
        strides = dict(zip(AXES, (1, self.block[0], self.block[0] * self.block[1]), strict=True))
        used = [axis for axis, extent in zip(AXES, self.block, strict=True) if extent > 1]
        thread = _linear([(axis, strides[axis]) for axis in used or AXES[:1]])
        place, steps = [], 1
        for axis in self.axes:
            if strides[axis] != strides[self.axes[0]] * steps:
                raise ValueError("the threads to reduce are not evenly spaced")
            place.append((axis, steps))
            steps *= self.block[AXES.index(axis)]
        stride = strides[self.axes[0]]
        away = "half" if stride == 1 else f"half * {stride}"
        back = "place" if stride == 1 else f"place * {stride}"
        numbers = ["", *range(1, len(self.types))]
        parts = [f"parts{number}" for number in numbers]
        results = self.combine(
            [f"{part}[self]" for part in parts], [f"{part}[self + {away}]" for part in parts]
        )
        values = [f"x{number}" for number in numbers]
        sums = [f"y{number}" for number in numbers]
        single = len(self.types) == 1
        formal = ", ".join(
            f"{ctype}{'' if single else '&'} {value}"
            for ctype, value in zip(self.types, values, strict=True)
        )
        ending = [f"  {v} = {part}[self - {back}];" for v, part in zip(values, parts, strict=True)]
        each = list(zip(self.types, parts, values, sums, results, strict=True))
        lines = [
            f"{qualifiers} {self.types[0] if single else 'void'} {name}({formal}) {{",
            *(f"  __shared__ {ctype} {part}[{math.prod(self.block)}];" for ctype, part, *_ in each),
            f"  const int self = {thread};",
            f"  const int place = {_linear(place)};",
            "  __syncthreads();  // the values of the call before have been read",
            *(f"  {part}[self] = {value};" for _, part, value, *_ in each),
            "  __syncthreads();",
            f"  for (int count = {self.extent}; count > 1;) {{",
            "    const int half = (count + 1) / 2;",
            "    if (place + half < count) {",
            *(f"      const {ctype} {total} = {result};" for ctype, _, _, total, result in each),
            *(f"      {part}[self] = {total};" for _, part, _, total, _ in each),
            "    }",
            "    count = half;",
            "    __syncthreads();",
            "  }",
            *ending,
            *(["  return x;"] if single else []),
        ]
        return "\n".join([*lines, "}", ""])


def _linear(terms: Sequence[tuple[str, int]]) -> str:
    return " + ".join(axis if stride == 1 else f"{axis} * {stride}" for axis, stride in terms)


def kind_of(reducer: tirx.CommReducer) -> str:
    """A word for what a reducer does: `sum`, `max`, `min`, `product`, or `best` for the rest."""
    if len(reducer.result) > 1:
        return "best"
    (only,) = reducer.result
    words = {tirx.Add: "sum", tirx.Max: "max", tirx.Min: "min", tirx.Mul: "product"}
    sides = {reducer.lhs[0], reducer.rhs[0]}
    if type(only) in words and {only.a, only.b} == sides:
        return words[type(only)]
    return "best"


def thread_axes(call: tvm.ir.Call, axis_of: Callable[[tvm.ir.Var], str]) -> tuple[str, ...]:
    """The thread axes that an allreduce runs over, x first."""
    count = int(call.args[0])
    return tuple(sorted({axis_of(var) for var in call.args[2 + 2 * count :]}))


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
