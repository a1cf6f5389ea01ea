"""What is right: inputs, and the results that every candidate must give for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tvm
from tvm import tirx

from xpiler_tvm.emulation import run_module
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel, Param, Scalar, Tensor
from xpiler_tvm.oracles import check_module, check_outputs
from xpiler_tvm.schedules.base import unbind
from xpiler_tvm.schedules.intrinsics import portable
from xpiler_tvm.trials import Arrays, Trial
from xpiler_tvm.verification import inputs_for

if TYPE_CHECKING:
    from xpiler_tvm.lifting import Lifted


@dataclass(frozen=True, eq=False)
class Oracle:
    """A kernel's parameters, and runs of it that are known to be right."""

    kernel: Kernel
    trials: tuple[Trial, ...]

    @classmethod
    def of(cls, lifted: Lifted) -> Oracle:
        """What the source itself gave when it was lifted."""
        return cls(lifted.kernel, lifted.trials)

    @classmethod
    def of_module(cls, mod: tvm.IRModule, inputs: Arrays | None = None, *, seed: int = 0) -> Oracle:
        """What a program gives unscheduled, for seeded inputs unless there are others.

        Raises `CheckError` where it cannot be run. Scalars without a value are 1.
        """
        kernel = kernel_of(mod)
        arrays = dict(inputs or inputs_for(kernel, seed, "random"))
        scalars: dict[str, int | float] = {each.name: 1 for each in kernel.scalars}
        given = [arrays[tensor.name] for tensor in kernel.tensors]
        fast = {"kind": "llvm"}
        run = run_module(mod, given, scalars=list(scalars.values()), target=fast)
        names = [tensor.name for tensor in kernel.tensors]
        outputs = dict(zip(names, run.arrays, strict=True))
        return cls(kernel, (Trial(arrays, scalars, outputs),))

    def check(self, results: Sequence[Arrays]) -> Check:
        """The worst comparison of results, one for each trial."""
        return check_outputs("candidate = source", results, self.kernel, self.trials)

    def run(self, scheduled: tvm.IRModule) -> Check:
        """A scheduled program of any target against the source, on any CPU."""
        plain = portable(unbind(scheduled))
        return check_module("candidate = source", plain, self.kernel, self.trials)


def kernel_of(mod: tvm.IRModule) -> Kernel:
    """A kernel with the parameters of `mod["main"]`; what is written is both in and out."""
    main = mod["main"]
    written = [region.source for region in _writes(main)]
    params: list[Param] = []
    for param in main.params:
        name = str(param.name)
        if tirx.is_buffer_var(param):
            shape = tuple(int(extent) for extent in param.shape)
            both = any(param.same_as(each) for each in written)
            params.append(Tensor(name, shape, str(param.dtype), "inout" if both else "in"))
        else:
            params.append(Scalar(name, str(param.ty.dtype)))
    return Kernel("", "vnni", "main", tuple(params))


def _writes(main: tirx.PrimFunc) -> list[tvm.ir.TensorRegion]:
    from tvm import s_tir

    from xpiler_tvm.schedules.analysis import collect

    blocks = collect(main.body, s_tir.SBlock)
    return [region for block in blocks for region in block.writes]
