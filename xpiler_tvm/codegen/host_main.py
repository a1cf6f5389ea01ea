"""A `main` for an emitted file: generated data in, the launcher's errors and checksums out.

    int main() {
      float* host_x = (float*)malloc(4096);        every tensor: memory on host and device,
      fill_float(host_x, 1024, 1u);                 values that are the same on every machine,
      CHECK(cudaMemcpy(x, host_x, 4096, ...));
      CHECK(launch_scale(x, y, 0));                 one launch,
      printf("y %.9g\\n", sum_float(host_y, 1024));  a number that depends on each element's place

A `HostApi` says what the runtime of a language is called; a CPU has none and uses its arrays as
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xpiler_tvm.emulation.arrays import numpy_dtype
from xpiler_tvm.kernel import Kernel, Scalar, Tensor
from xpiler_tvm.ranges import Encoded, Ranges

from .c_family import INDENT, CDialect, float_literal, int_literal

"""Bounds of the integers in a tensor, by its name: a kernel may use them as indices."""

DEFAULT_RANGE = (-8, 7)
"""Of integers whose values a kernel does not rely on; without its negative part where unsigned."""


@dataclass(frozen=True)
class HostApi:
    """The runtime of a language. Texts are formats of `{name}`, `{bytes}` and so on.

    Attributes
    ----------
    status : the type of what every call gives, `ok` the one that is no error.
    message : an expression in `status` that tells what went wrong.
    start, end : statements around everything.
    allocate, release : of an array `{name}` on the device.
    to_device, to_host : copies between `{name}` and `host_{name}`.
    stream : the launcher's last argument.
    wait : until the launch is done.
    """

    status: str
    ok: str
    message: str
    allocate: str
    release: str
    to_device: str
    to_host: str
    stream: str
    wait: str
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


def gpu_api(prefix: str) -> HostApi:
    """CUDA's runtime or HIP's, which differ in the prefix."""
    return HostApi(
        status=f"{prefix}Error_t",
        ok=f"{prefix}Success",
        message=f"{prefix}GetErrorString(status)",
        allocate=f"{prefix}Malloc(&{{name}}, {{bytes}})",
        release=f"{prefix}Free({{name}})",
        to_device=f"{prefix}Memcpy({{name}}, host_{{name}}, {{bytes}}, {prefix}MemcpyHostToDevice)",
        to_host=f"{prefix}Memcpy(host_{{name}}, {{name}}, {{bytes}}, {prefix}MemcpyDeviceToHost)",
        stream="0",
        wait=f"{prefix}DeviceSynchronize()",
    )


CNRT = HostApi(
    status="cnrtRet_t",
    ok="cnrtSuccess",
    message="cnrtGetErrorStr(status)",
    allocate="cnrtMalloc((void**)&{name}, {bytes})",
    release="cnrtFree({name})",
    to_device="cnrtMemcpy({name}, host_{name}, {bytes}, cnrtMemcpyHostToDev)",
    to_host="cnrtMemcpy(host_{name}, {name}, {bytes}, cnrtMemcpyDevToHost)",
    stream="queue",
    wait="cnrtQueueSync(queue)",
    start=("CHECK(cnrtSetDevice(0));", "cnrtQueue_t queue;", "CHECK(cnrtQueueCreate(&queue));"),
    end=("CHECK(cnrtQueueDestroy(queue));",),
)


def host_main(
    kernel: Kernel, dialect: CDialect, api: HostApi | None, ranges: Ranges | None = None
) -> str:
    """The text of `main` and its functions, to stand behind an emitted file.

    Parameters
    ----------
    kernel : the emitted kernel; scalars without a value become 1.
    api : the runtime; `None` for a CPU, where the kernel itself is called.
    ranges : of integers that the kernel uses as indices.
    """
    dtypes = sorted({tensor.dtype for tensor in kernel.tensors if tensor.intent != "out"})
    written = sorted({tensor.dtype for tensor in kernel.tensors if tensor.written})
    parts = ["#include <stdio.h>\n#include <stdlib.h>\n"]
    if api is not None:
        parts.append(_check_function(api))
    parts += [_fill_function(dtype, dialect) for dtype in dtypes]
    parts += [_sum_function(dtype, dialect) for dtype in written]
    body = [*_scalars(kernel, dialect), *_tensors(kernel, dialect, api, ranges or {})]
    lines = "".join(f"{INDENT}{line}\n" for line in body)
    parts.append(f"int main(void) {{\n{lines}{INDENT}return 0;\n}}\n")
    return "\n".join(parts)


def _check_function(api: HostApi) -> str:
    return (
        f"static void check_status({api.status} status, int line) {{\n"
        f"  if (status == {api.ok}) return;\n"
        f'  fprintf(stderr, "line %d: %s\\n", line, {api.message});\n'
        "  exit(1);\n"
        "}\n"
        "#define CHECK(call) check_status((call), __LINE__)\n"
    )


def _fill_function(dtype: str, dialect: CDialect) -> str:
    ctype = dialect.type(dtype)
    limits, value = ", int least, int most", f"({ctype})(least + (int)((seed >> 8) % span))"
    span = ["  const unsigned span = (unsigned)(most - least + 1);"]
    if "float" in dtype:
        limits, span = "", []
        value = f"({ctype})((float)(seed >> 8) * (2.0f / 16777216.0f) - 1.0f)"
    what = "Values in [-1, 1)" if "float" in dtype else "Integers from least to most"
    return "\n".join(
        [
            f"// {what}, the same ones on every machine.",
            f"static void fill_{dtype}({ctype}* values, size_t count, unsigned seed{limits}) {{",
            *span,
            "  for (size_t i = 0; i < count; ++i) {",
            "    seed = seed * 1664525u + 1013904223u;",
            f"    values[i] = {value};",
            "  }",
            "}",
            "",
        ]
    )


def _sum_function(dtype: str, dialect: CDialect) -> str:
    ctype = dialect.type(dtype)
    value = "(double)(float)values[i]" if dtype in ("float16", "bfloat16") else "(double)values[i]"
    return "\n".join(
        [
            "// A sum in which every element's place counts.",
            f"static double sum_{dtype}(const {ctype}* values, size_t count) {{",
            "  double total = 0.0;",
            f"  for (size_t i = 0; i < count; ++i) total += {value} * (double)(i % 31 + 1);",
            "  return total;",
            "}",
            "",
        ]
    )


def _scalars(kernel: Kernel, dialect: CDialect) -> list[str]:
    lines = []
    for scalar in kernel.scalars:
        ctype = dialect.type(scalar.dtype)
        lines.append(f"const {ctype} {scalar.name} = {_literal(scalar, ctype)};")
    return lines


def _literal(scalar: Scalar, ctype: str) -> str:
    value = 1 if scalar.value is None else scalar.value
    if "float" not in scalar.dtype:
        return int_literal(int(value), scalar.dtype).code
    short = scalar.dtype in ("float16", "bfloat16")
    text = float_literal(float(value), "float32" if short else scalar.dtype).code
    return f"({ctype}){text}" if short else text


def _tensors(kernel: Kernel, dialect: CDialect, api: HostApi | None, ranges: Ranges) -> list[str]:
    def checked(call: str, tensor: Tensor) -> str:
        size = tensor.size * numpy_dtype(tensor.dtype).itemsize
        return f"CHECK({call.format(name=tensor.name, bytes=size)});"

    host = "" if api is None else "host_"
    lines = [*(api.start if api else ())]
    for number, tensor in enumerate(kernel.tensors, 1):
        ctype, size = dialect.type(tensor.dtype), numpy_dtype(tensor.dtype).itemsize
        name = f"{host}{tensor.name}"
        lines.append(f"{ctype}* {name} = ({ctype}*)malloc({tensor.size * size});")
        if tensor.intent != "out":
            limits = "" if "float" in tensor.dtype else f", {_limits(tensor, ranges)}"
            lines.append(f"fill_{tensor.dtype}({name}, {tensor.size}, {number}u{limits});")
    if api is not None:
        for tensor in kernel.tensors:
            lines.append(f"{dialect.type(tensor.dtype)}* {tensor.name};")
            lines.append(checked(api.allocate, tensor))
            lines += [checked(api.to_device, tensor)] if tensor.intent != "out" else []
    lines += _call(kernel, api)
    lines += [checked(api.to_host, one) for one in kernel.tensors if one.written] if api else []
    for tensor in kernel.tensors:
        if tensor.written:
            total = f"sum_{tensor.dtype}({host}{tensor.name}, {tensor.size})"
            lines.append(f'printf("{tensor.name} %.9g\\n", {total});')
    lines += [checked(api.release, tensor) for tensor in kernel.tensors] if api else []
    lines += [f"free({host}{tensor.name});" for tensor in kernel.tensors]
    return [*lines, *(api.end if api else ())]


def _call(kernel: Kernel, api: HostApi | None) -> Sequence[str]:
    names = [param.name for param in kernel.params or ()]
    if api is None:
        return [f"{kernel.entry}({', '.join(names)});"]
    return [
        f"CHECK(launch_{kernel.entry}({', '.join([*names, api.stream])}));",
        f"CHECK({api.wait});",
    ]


def _limits(tensor: Tensor, ranges: Ranges) -> str:
    least, most = DEFAULT_RANGE
    if tensor.dtype == "bool":
        least, most = 0, 1
    elif tensor.dtype.startswith("uint"):
        least, most = 0, most - least
    bounds = ranges.get(tensor.name)
    if bounds is not None and not isinstance(bounds, Encoded):
        least, most = bounds
    return f"{least}, {most}"
