"""What a lifted kernel computes in TVM's own operators, held against the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CheckError, Span
from .evidence import Check
from .stopwatch import cpu_seconds

if TYPE_CHECKING:
    import tvm

    from .frontends.recognition import Equivalent, Operator
    from .lifting import Lifted

NAME = "operators = source"
RUN_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class Recognised:
    """The operators of a kernel, and the Relax function that they make.

    `named` is structural and quick; `operators` are those of them that `check` bears out, which
    compiles and runs them.
    """

    lifted: Lifted

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that the kernel is made of, in their order. None where it is not
        understood, see `reason`, or where they do not do what the source did, see `notes`."""
        return self.named if self.check().ok else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Names that were dropped, and what the kernel's own name suggests otherwise."""
        from .frontends.recognition.naming import contradictions

        check = self.check()
        if check.verdict == "refuted":
            names = ", ".join(one.name for one in self.named)
            return (f"recognised as {names}, which was dropped: {check.detail}",)
        return tuple(contradictions(self.lifted.kernel.entry or "", self.operators))

    @cached_property
    def named(self) -> tuple[Operator, ...]:
        """The operators as they were named, before any run."""
        spans = dict(_spans(self.lifted))
        return tuple(
            replace(one, span=spans.get(one.origin or one.output), whole=self)
            for one in self._equivalent.operators
        )

    @property
    def reason(self) -> str:
        """Why no operators were recognised."""
        return self._equivalent.reason

    def relax(self) -> tvm.IRModule:
        """`main` takes the tensors that the kernel reads and gives those that it writes, in the
        order of `inputs` and `outputs`. Raises `ValueError` where nothing was recognised."""
        if self._equivalent.mod is None:
            raise ValueError(f"no operators were recognised: {self.reason}")
        return self._equivalent.mod

    @property
    def inputs(self) -> tuple[str, ...]:
        return self._equivalent.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._equivalent.outputs

    @cached_property
    def tir(self) -> tvm.IRModule:
        """TVM's implementations of the operators as one function, `main(inputs..., outputs...)`."""
        from .frontends.recognition import lowered

        self.relax()
        return lowered(self._equivalent)

    def check(self) -> Check:
        """Whether the operators do what the source did: proved where TVM's implementation is the
        same term as the kernel, tested on the trials of the lift otherwise."""
        return self._check

    @cached_property
    def _check(self) -> Check:
        from .frontends.recognition import is_same_term

        begun = cpu_seconds()
        if self._equivalent.mod is None:
            return Check(NAME, "unknown", self.reason, None, cpu_seconds() - begun)
        try:
            same = is_same_term(self.tir, self.lifted.mod)
        except (RuntimeError, TypeError, ValueError) as error:
            detail = f"TVM does not lower it: {str(error).strip().splitlines()[-1]}"
            return Check(NAME, "unknown", detail, None, cpu_seconds() - begun)
        if same:
            detail = "TVM's implementation is the same term, but for the order of sums"
            return Check(NAME, "proved", detail, None, cpu_seconds() - begun)
        try:
            check = self._run()
        except CheckError as error:
            # Nothing was compared: TVM does not build it, or it took too long.
            check = Check(NAME, "unknown", f"{error.code}: {error.message}")
        return replace(check, seconds=cpu_seconds() - begun)

    def _run(self) -> Check:
        from .emulation import run_module_each
        from .oracles import check_outputs

        kernel, trials = self.lifted.kernel, self.lifted.trials
        tensors = {tensor.name: tensor for tensor in kernel.tensors}
        starts: list[Any] = []
        for trial in trials:
            arrays = [trial.inputs[name] for name in self.inputs]
            arrays += [np.zeros_like(trial.outputs[name]) for name in self.outputs]
            starts.append((arrays, []))
        results = []
        for trial, run in zip(
            trials, run_module_each(self.tir, starts, seconds=RUN_SECONDS), strict=True
        ):
            found: dict[str, Any] = {
                name: trial.inputs[name] for name, tensor in tensors.items() if tensor.written
            }
            found.update(zip(self.outputs, run.arrays[len(self.inputs) :], strict=True))
            results.append(found)
        return check_outputs(NAME, results, kernel, trials)

    @cached_property
    def _equivalent(self) -> Equivalent:
        from .frontends.recognition import Equivalent, equivalent_of

        if self.lifted.rung == "opaque":
            return Equivalent(reason="the kernel is one opaque block")
        return equivalent_of(self.lifted.mod)


def _spans(lifted: Lifted) -> Iterator[tuple[str, Span]]:
    """Where the source stores to each array, the last place last."""
    from .frontends.program import Branch, Loop, Store, While

    waiting: list[Any] = list(reversed(lifted.program.body))
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, Store) and statement.span is not None:
            yield str(statement.buffer.name), statement.span
        elif isinstance(statement, (Loop, While)):
            waiting += reversed(statement.body)
        elif isinstance(statement, Branch):
            waiting += reversed((*statement.then, *statement.other))
