"""Schedules for MLUs: tasks over the outer loops, vectors along memory, intermediates in NRAM.

| rule | program | who computes what |
|---|---|---|
| `bang.flat` | elementwise, every array indexed alike | a task a contiguous piece |
| `bang.transpose` | one copy with memory along another axis | a task some tiles |
| `bang.conv` | a convolution that the matrix unit computes exactly | a task some tiles |
| `bang.matrix` | a sum of products that the matrix unit computes exactly | a task some tiles |
| `bang.windows` | a convolution, also one by depth | a task some tiles of the image |
| `bang.matmul` | a sum of products, elementwise work | a task some tiles, a vector a row of one |
| `bang.rows` | stages that share axes, or anything | a task some rows, a vector along the row |

A task is `blockIdx.x`. Where the cores of a cluster share operands through SRAM, which the model
decides for products, a cluster is `blockIdx.x` and its core `threadIdx.x`. How long vectors are is
left to the emitter, which knows how many it needs: an innermost loop may be of any length. Rules
only bring the axis that runs along memory inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm.dialects.bang import ALIGN, ARCHS, DEFAULT_ARCH, Arch

from .analysis import Stage, collect, coupled_buffers, mentions, plain_axis
from .bang_common import Model
from .bang_conv import Convolution
from .bang_products import Matmul, Matrix
from .bang_rows import Rows
from .bang_transpose import Transpose
from .bang_windows import VectorConvolution
from .base import Declined, Rule, fresh
from .knobs import knob
from .steps import fused, inline_injective

SMALLEST_PIECE = 1024
"""Elements below which dividing work among more tasks costs more than it brings."""


def rules(
    arch: Arch = ARCHS[DEFAULT_ARCH], model: Model | None = None, *, inexact: bool = False
) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried.

    Where several schedules fit, `model` tells which is cheaper. With `inexact` the matrix unit may
    round float32 operands.
    """
    products = (
        Convolution(arch, model, inexact),
        Matrix(arch, model, inexact),
        VectorConvolution(arch, model),
        Matmul(arch, model),
    )
    # What the model picks may still be refused, which the plainest schedule is not.
    rows = (
        (Rows(arch),) if model is None else (Rows(arch, model), Rows(arch, name="bang.plain_rows"))
    )
    return (Flat(arch), Transpose(arch), *products, *rows)


@dataclass(frozen=True)
class Flat:
    """Elementwise stages whose arrays are all indexed alike: one long vector, cut among tasks.

    for i, j: O[i, j] = f(A[i, j])   ->   for t in blockIdx.x: for k: O[t * piece + k] = f(...)
    """

    arch: Arch
    name: str = "bang.flat"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if not all(stage.is_injective and self._is_flat(stage) for stage in program):
            return Declined("an array is not indexed as the result is")
        if coupled_buffers(program):
            return Declined("one stage needs what another writes")
        size = max(stage.size() for stage in program)
        smallest = knob("elements of a task", SMALLEST_PIECE, (4096, 16384, 65536))
        piece = max(smallest, -(-size // self.arch.cores))
        piece = -(-piece // ALIGN) * ALIGN
        tasks = -(-size // piece)
        outer = []
        for stage in program:
            loop = fused(sch, stage.rv, sch.get_loops(stage.rv))
            outer.append(sch.split(loop, [tasks, piece])[0])
        sch.bind(sch.merge(*outer) if len(outer) > 1 else outer[0], "blockIdx.x")
        return sch

    def _is_flat(self, stage: Stage) -> bool:
        store = stage.block.body
        if len(stage.axes) == 1:
            return True
        written = [plain_axis(stage, index) for index in stage.block.writes[0].region]
        if written != list(stage.axes):
            return False
        iterators = [iterator.var for iterator in stage.block.iter_vars]
        return all(
            _same(load, store)
            or not any(mentions(index, var) for index in load.indices for var in iterators)
            for load in collect(store.value, tvm.ir.TensorLoad)
        )


def _same(load: tvm.ir.TensorLoad, store: tirx.BufferStore) -> bool:
    """Whether a load is of the same element of an array of the same shape."""
    return bool(
        tvm_ffi.structural_equal(list(load.indices), list(store.indices))
        and tvm_ffi.structural_equal(list(load.source.shape), list(store.buffer.shape))
    )
