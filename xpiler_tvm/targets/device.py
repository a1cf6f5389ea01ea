"""What must hold of every schedule for a device: one kernel, within the device's limits.

Imports TVM; targets import this module when they are asked for their rules.
"""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.codegen.lower import DeviceFunction, device_function
from xpiler_tvm.errors import EmitError
from xpiler_tvm.extents import is_text
from xpiler_tvm.kernel import Dialect, Kernel, Param, Scalar, Tensor
from xpiler_tvm.schedules.base import Declined

from .base import Accept, Limits, Memory


def one_kernel(target: Target, limits: Limits) -> Accept:
    """The check of a GPU: the program lowers to one kernel, whose block and arrays fit."""

    def check(mod: tvm.IRModule) -> Declined | None:
        function = device_function(mod, target)
        x, y, z = function.block
        if x * y * z > limits.max_threads:
            return Declined(f"a block of {x * y * z} threads is beyond {limits.max_threads}")
        most = {axis.tag: axis.most for axis in limits.axes}
        for tag, axis in function.axes.items():
            # A grid that depends on sizes is looked at by the launcher, which tells the error.
            if not is_text(axis.extent) and axis.extent > most.get(tag, 0):
                return Declined(f"{axis.extent} along {tag} are beyond {most.get(tag, 0)}")
        for memory in limits.memories:
            used = bytes_in(function, memory)
            if used > memory.size:
                return Declined(f"{used} bytes of {memory.scope} memory are beyond {memory.size}")
        return None

    return reasons(check)


def reasons(check: Accept) -> Accept:
    """The check with what it raises turned into its answer."""

    def accept(mod: tvm.IRModule) -> Declined | None:
        try:
            return check(mod)
        except EmitError as error:
            return Declined(error.message)
        except (RuntimeError, ValueError, TypeError) as error:
            # TVM says in many classes that it cannot lower a program; each is a reason to go on.
            return Declined(str(error).strip().splitlines()[-1] if str(error) else repr(error))

    return accept


def kernel_of(mod: tvm.IRModule, dialect: Dialect) -> Kernel:
    """A kernel with the parameters of `main`, for an emitter that is asked for an opinion."""
    params: list[Param] = []
    for param in mod["main"].params:
        if tirx.is_buffer_var(param):
            params.append(Tensor(str(param.name), dtype=str(param.dtype), intent="inout"))
        else:
            params.append(Scalar(str(param.name), str(param.ty.dtype)))
    return Kernel("", dialect, "kernel", tuple(params))


def bytes_in(function: DeviceFunction, memory: Memory) -> int:
    """The bytes of all arrays in one memory that a device function declares."""
    sizes: list[int] = []

    def add(stmt: tirx.AllocBuffer) -> None:
        if memory.holds(str(stmt.buffer.scope())):
            size = tvm.DataType(str(stmt.buffer.dtype)).bits // 8
            for extent in stmt.buffer.shape:
                size *= int(extent)
            sizes.append(-(-size // memory.alignment) * memory.alignment)

    tvm_ffi.structural_walk(function.body, [(tirx.AllocBuffer, add)])
    return sum(sizes)
