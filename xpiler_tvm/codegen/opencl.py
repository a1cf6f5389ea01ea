"""OpenCL C 1.2: one `__kernel` function for devices of any vendor.

Work-groups are blocks and work-items threads; there are no warps, so that sums over threads go
through local memory (`LowerThreadAllreduce`). Host code is another language there: the file has
none, and says in its first comment what to launch.
"""

from __future__ import annotations

import functools

import tvm
from tvm import s_tir, tirx
from tvm.target import Target

from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Launch

from .c_family import CDialect, CPrinter, Text, banner, entry_name, signature
from .lower import DeviceFunction, device_function

OPENCL = CDialect(
    name="OpenCL C",
    types={
        "float32": "float",
        "float64": "double",
        "int8": "char",
        "uint8": "uchar",
        "int16": "short",
        "uint16": "ushort",
        "int32": "int",
        "uint32": "uint",
        "int64": "long",
        "uint64": "ulong",
        "bool": "bool",
    },
    indices={
        f"{kind}.{axis}": f"(int)get_{what}_id({number})"
        for kind, what in (("blockIdx", "group"), ("threadIdx", "local"))
        for number, axis in enumerate("xyz")
    },
    index_names={
        f"{kind}.{axis}": f"{letter}{axis}"
        for kind, letter in (("blockIdx", "b"), ("threadIdx", "t"))
        for axis in "xyz"
    },
    scopes={"local": "", "shared": "__local ", "shared.dyn": "__local "},
    barriers={
        "shared": "barrier(CLK_LOCAL_MEM_FENCE);",
        "shared.dyn": "barrier(CLK_LOCAL_MEM_FENCE);",
        "warp": "",
    },
    functions={name + bits: name for name in ("popcount", "clz") for bits in ("", "64")},
    bits="return as_{to}(value);",
    helper="static inline",
    restrict="restrict",
    pointers="__global ",
    unroll="",
    reserved=frozenset(
        """
        kernel global local constant private read_only write_only read_write image2d_t sampler_t
        event_t barrier get_group_id get_local_id get_global_id uchar ushort uint ulong
        """.split()  # noqa: SIM905
    ),
)


@functools.cache
def opencl_target(threads: int) -> Target:
    """The TVM target for work-groups of at most so many items, which are in no warps."""
    about = {"kind": "opencl", "max_num_threads": threads, "thread_warp_size": 1}
    return Target(about, host="llvm")


class OpenClPrinter(CPrinter):
    """Prints a kernel: functions have one name for all their types."""

    def math(self, name: str, dtype: str, *args: tvm.ir.Expr) -> Text:
        if dtype not in ("float32", "float64"):
            self.refuse(args[0], f"no {name} for {dtype}")
        return self.call(name, *args)


def emit_opencl(
    scheduled_mod: tvm.IRModule, kernel: Kernel, target: Target
) -> tuple[str, str, Launch]:
    """The text of a file, the kernel's name in it, and its launch in groups and items.

    Raises
    ------
    EmitError XP4001 : several kernels, a construct without a form in OpenCL C, or a parameter whose
        name is a word of the language.
    """
    taken = sorted(OPENCL.reserved & {param.name for param in kernel.params or ()})
    if taken:
        raise EmitError(
            "XP4001",
            f"parameter {taken[0]!r} is a word of OpenCL C",
            hint="rename the parameter in the source",
        )
    function = _through_local_memory(device_function(scheduled_mod, target), target)
    printer = OpenClPrinter(OPENCL, function, kernel)
    body = printer.body()
    name = entry_name(kernel)
    launch = Launch(grid=function.grid, block=function.block)
    x, y, z = function.block
    head = f"__kernel __attribute__((reqd_work_group_size({x}, {y}, {z})))"
    what = f"groups {launch.grid} of items {launch.block}"
    parts = [
        banner(kernel, "OpenCL C 1.2", what, scheduled_mod),
        *printer.helpers.values(),
        "\n".join([f"{head}\nvoid {name}({signature(kernel, OPENCL)}) {{", *body, "}", ""]),
    ]
    return "\n".join(parts), name, launch


def _through_local_memory(function: DeviceFunction, target: Target) -> DeviceFunction:
    """The kernel with each sum over threads as a tree in local memory."""
    func = tirx.PrimFunc(function.params, function.body).with_attr("target", target)
    lowered = s_tir.transform.LowerThreadAllreduce()(tvm.IRModule({"main": func}))
    lowered = tirx.transform.StmtSimplify()(lowered)
    return DeviceFunction(function.params, lowered["main"].body, function.axes)
