"""Random statements in which threads work together, none of which races."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .choices import Choices
from .objects import Objects
from .scope import Array, Variable
from .statements import SMALL, variable
from .terms import FLOAT, INT, LONG, UNSIGNED, cast

CELLS = 8
_MASK = "0xffffffffu"


@dataclass(frozen=True)
class Block:
    """A block of `threads`, numbered by `thread`, in warps of `lanes`; 0 where it has no warps."""

    thread: str
    threads: int
    lanes: int
    hip: bool = False

    @property
    def whole_warps(self) -> bool:
        return self.lanes > 0 and self.threads % self.lanes == 0


class Threads(Objects):
    """Statements over barriers, shared memory, shuffles, votes and atomics.

    Collectives stand only where all threads of a block come by. `cells` says whether the array of
    atomics can be named, `used_cells` whether it was.
    """

    def __init__(self, choices: Choices, block: Block) -> None:
        super().__init__(choices)
        self.block = block
        self.cells = False
        self.used_cells = False

    def kinds(self) -> list[tuple[int, Callable[[], None]]]:
        plain = super().kinds()
        if self.loops or not self.converged:
            plain.append((3, self._atomic))
        if not self.converged:
            return plain
        found: list[tuple[int, Callable[[], None]]] = [
            *plain, (10, self._exchange), (6, self._reduce), (3, self._atomic)]  # fmt: skip
        if self.block.whole_warps:
            found += [(12, self._shuffle), (6, self._vote)]
        return found

    # ------------------------------------------------------------ shared memory

    def _shared(self, kind: str) -> str:
        """A shared array with an element for each thread, declared here."""
        name = self.fresh("sh")
        self.emit(f"__shared__ {kind} {name}[{self.block.threads}];")
        return name

    def _exchange(self) -> None:
        """Each thread writes its element; between two barriers all of them are read."""
        element, me = variable("", self.c.pick((INT, FLOAT, UNSIGNED)), writable=False), self.block
        name = self._shared(element.type.name)
        self.emit("__syncthreads();")
        self.emit(f"{name}[{me.thread}] = {self.for_variable(element).text};")
        self.emit("__syncthreads();")
        with self.braces(""), self.diverged():
            self.scope.arrays.append(Array(name, element, me.threads))
            self.body(3)
        self.emit("__syncthreads();")

    def _reduce(self) -> None:
        """A tree: the sum or the maximum over the block's threads, which all of them get."""
        threads, me = self.block.threads, self.block.thread
        if threads & (threads - 1):
            self._exchange()
            return
        name, result, d = self._shared("int"), self.fresh("sum"), self.fresh("d")
        term = self.inside(self.integer(2), -SMALL, SMALL)
        self.emit(f"{name}[{me}] = {term.text};")
        self.emit("__syncthreads();")
        update = self.c.pick((
            f"{name}[{me}] += {name}[{me} + {d}]",
            f"{name}[{me}] = max({name}[{me}], {name}[{me} + {d}])",
        ))  # fmt: skip
        with self.braces(f"for (int {d} = {threads // 2}; {d} > 0; {d} >>= 1)"):
            self.emit(f"if ({me} < {d}) {update};")
            self.emit("__syncthreads();")
        self.emit(f"int {result} = {name}[0];")
        self.emit("__syncthreads();")
        most = SMALL * threads
        self.scope.variables.append(
            Variable(result, INT, -most, most, writable=False, uniform=True)
        )

    # ------------------------------------------------------------ warps

    def _shuffle(self) -> None:
        kind = self.c.pick((INT, FLOAT, UNSIGNED, LONG))
        new = variable(self.fresh("t"), kind)
        value = self.for_variable(new, 2)
        value = value if value.type == kind and kind.is_float else replace(
            value, text=f"(({kind.name}){value.text})")  # fmt: skip
        how = self.c.pick(("xor", "down", "up", ""))
        if how:
            by = str(self.c.pick((1, 2, 4, 8, 16, 3)))
        else:
            by = self.inside(self.integer(1), 0, self.block.lanes - 1).text
        width = f", {self.c.pick((8, 16, 4))}" if self.c.chance(20) else ""
        name = f"__shfl_{how}" if how else "__shfl"
        call = f"{name}({value.text}, {by}{width})"
        if not self.block.hip:
            call = f"{name}_sync({_MASK}, {value.text}, {by}{width})"
        self.emit(f"{kind.name} {new.name} = {call};")
        self.scope.variables.append(new)

    def _vote(self) -> None:
        test, how = self.test(), self.c.pick(("any", "all", "ballot"))
        call = f"__{how}({test})" if self.block.hip else f"__{how}_sync({_MASK}, {test})"
        name = self.fresh("vote")
        if how != "ballot":
            self.emit(f"int {name} = {call} != 0;")
            self.scope.variables.append(Variable(name, INT, 0, 1))
            return
        kind = "unsigned long long" if self.block.hip else "unsigned"
        count = "__popcll" if self.block.hip else "__popc"
        self.emit(f"{kind} {name} = {call};")
        self.emit(f"int {name}n = {count}({name});")
        self.scope.variables.append(Variable(f"{name}n", INT, 0, self.block.lanes, writable=False))

    # ------------------------------------------------------------ atomics

    def _atomic(self) -> None:
        """An update of the array `cells`, a part for each kind of update, whose order is open."""
        if not self.cells:
            self._assign()
            return
        part, how = self.c.pick(
            ((0, "Add"), (1, "Max"), (2, "Xor"), (3, "Or"), (0, "Sub"), (4, "Min"))
        )
        value = cast(self.inside(self.integer(2), -SMALL, SMALL), INT)
        index = self.index(CELLS).text
        self.emit(f"atomic{how}(&cells[{part * CELLS} + {index}], {value.text});")
        self.used_cells = True
