"""Small programs that the tests tune, and a bench that costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import tvm
from tvm import te

from xpiler_tvm.tuning.bench import Outcome
from xpiler_tvm.tuning.space import key_of


def product(rows: int = 32, columns: int = 64, depth: int = 48) -> tvm.IRModule:
    """A matrix product of float32."""
    a, b = te.placeholder((rows, depth), name="a"), te.placeholder((depth, columns), name="b")
    k = te.reduce_axis((0, depth), name="k")
    c = te.compute((rows, columns), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="c")
    return tvm.IRModule({"main": te.create_prim_func([a, b, c])})


def rows(count: int = 16, length: int = 64) -> tvm.IRModule:
    """Each element by the sum of its row."""
    x = te.placeholder((count, length), name="x")
    k = te.reduce_axis((0, length), name="k")
    s = te.compute((count,), lambda i: te.sum(x[i, k], axis=k), name="s")
    y = te.compute((count, length), lambda i, j: x[i, j] / s[i], name="y")
    return tvm.IRModule({"main": te.create_prim_func([x, y])})


@dataclass(eq=False)
class Imagined:
    """Seconds that a hash makes up; programs of `wrong` hashes are wrong."""

    kind: str = "modelled"
    wrong: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def seconds(self, program: tvm.IRModule) -> float:
        return (1 + int(key_of(program), 16) % 997) * 1e-6

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        self.asked.append(key_of(scheduled))
        if self.asked[-1] in self.wrong:
            return Outcome(None, "modelled", "refuted: wrong")
        return Outcome(self.seconds(scheduled), "modelled")

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        return [self.seconds(program) for program in programs]
