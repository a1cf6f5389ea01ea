"""Who runs an operator: the translation, the libraries, g++. Each gives a call to be timed."""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speed.operators import Operator
from xpiler_tvm import frontends, schedules, targets
from xpiler_tvm.kernel import Kernel, Tensor


@dataclass(frozen=True)
class Prepared:
    """`run` runs the operator once, `result` gives what it then has computed."""

    run: Callable[[], Any]
    result: Callable[[], np.ndarray]
    about: str = ""


HUGE_PAGE = 2 << 20


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy in memory of its own, which all contestants get: in huge pages from the start of one.

    Where an array of the heap comes to lie, and in pages of which size, is otherwise luck.
    """
    memory = mmap.mmap(-1, array.nbytes + 2 * HUGE_PAGE)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    held = np.frombuffer(memory, "uint8")
    start = -held.ctypes.data % HUGE_PAGE
    found = held[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found


def _arrays(operator: Operator) -> tuple[list[np.ndarray], np.ndarray]:
    result = operator.tensors[-1]
    inputs = [aligned(array) for array in operator.inputs()]
    return inputs, aligned(np.zeros(result.shape, result.dtype))


def _held(operator: Operator) -> tuple[list[np.ndarray], np.ndarray]:
    """The inputs and the result as libraries hold them: axes in their order, memory as it was."""
    inputs, out = _arrays(operator)
    arrays = [
        np.transpose(array, operator.layout.get(tensor.name, range(array.ndim)))
        for tensor, array in zip(operator.tensors, [*inputs, out], strict=True)
    ]
    return arrays[:-1], arrays[-1]


def _given_back(operator: Operator, array: np.ndarray) -> np.ndarray:
    """A library's result in the operator's own order of axes."""
    order = operator.layout.get(operator.tensors[-1].name)
    return array if order is None else np.transpose(array, np.argsort(order))


def kernel_of(operator: Operator) -> Kernel:
    """The C text as a kernel of the dialect `vnni`."""
    *inputs, result = operator.tensors
    params = [Tensor(one.name, (int(np.prod(one.shape)),), one.dtype) for one in inputs]
    out = Tensor(result.name, (int(np.prod(result.shape)),), result.dtype, "out")
    return Kernel(operator.source, "vnni", "kernel", (*params, out))


def translated(
    operator: Operator, schedule: Callable[[Operator, Any], Any] | None = None
) -> Prepared:
    """The operator transcompiled for vnni, by the rules unless something else makes the `schedule`
    of its raised program. Its result is compared by the caller."""
    import tvm

    from xpiler_tvm.frontends.raising import raise_program

    kernel = frontends.resolve(kernel_of(operator))
    raised = raise_program(frontends.read(kernel).program)
    scheduled = schedule(operator, raised.mod) if schedule else schedules.apply(raised.mod, "vnni")
    emitted = targets.get("vnni").emit(scheduled.mod, kernel)
    inputs, out = _arrays(operator)
    arguments = [tvm.runtime.from_dlpack(array.reshape(-1)) for array in (*inputs, out)]
    shapes = [[int(extent) for extent in param.shape] for param in scheduled.mod["main"].params]
    arguments = [one._create_view(shape) for one, shape in zip(arguments, shapes, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.so"
        path.write_bytes(emitted.libraries[".so"])
        function = tvm.runtime.load_module(str(path))[emitted.entry]
    return Prepared(lambda: function(*arguments), lambda: out, scheduled.rule)


def by_numpy(operator: Operator) -> Prepared | None:
    function = operator.numpy
    if function is None:
        return None
    inputs, out = _arrays(operator)
    return Prepared(lambda: function(*inputs, out=out), lambda: out)


def by_torch(operator: Operator) -> Prepared | None:
    function = operator.torch
    if function is None or importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    inputs, out = _held(operator)
    arguments = [torch.from_numpy(array) for array in inputs]
    into = torch.from_numpy(out)
    last: list[Any] = []

    def run() -> None:
        last[:] = [function(torch, *arguments, out=into)]

    def result() -> np.ndarray:
        return _given_back(operator, last[0].numpy())

    return Prepared(run, result)


def by_onnxruntime(operator: Operator) -> Prepared | None:
    """The graph in one session of one thread, with its results in place."""
    missing = any(importlib.util.find_spec(one) is None for one in ("onnx", "onnxruntime"))
    if not operator.onnx or missing:
        return None
    import onnx
    import onnxruntime as ort

    # The runtime wants row-major memory: it gets the libraries' order of axes, copied beforehand.
    inputs, out = _held(operator)
    inputs = [aligned(np.ascontiguousarray(array)) for array in inputs]
    named = dict(zip((tensor.name for tensor in operator.tensors), inputs, strict=False))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = _model(onnx, operator, named, out)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, array in named.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    place = aligned(np.zeros(out.shape, out.dtype))
    result = operator.tensors[-1].name
    binding.bind_output(result, "cpu", 0, out.dtype, out.shape, place.ctypes.data)

    # The arrays live as long as the call that reads them.
    def run(kept: object = named) -> None:
        session.run_with_iobinding(binding)

    return Prepared(run, lambda: _given_back(operator, place))


def _model(onnx: Any, operator: Operator, named: dict[str, np.ndarray], out: np.ndarray) -> bytes:
    helper, numpy_helper = onnx.helper, onnx.numpy_helper

    def info(name: str, array: np.ndarray) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, array.shape)

    constants: dict[str, np.ndarray] = {}
    nodes = []
    for kind, inputs, outputs, attributes in operator.onnx:
        for name in inputs:
            if name.startswith("="):
                constants[name] = _constant(name)
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
    graph = helper.make_graph(
        nodes,
        "operator",
        [info(name, array) for name, array in named.items()],
        [info(operator.tensors[-1].name, out)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 23)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())


def _constant(name: str) -> np.ndarray:
    """`=axes:1` is an axis, `=ones:8` a vector of ones, `=value:0.5` a number."""
    kind, value = name[1:].split(":")
    if kind == "axes":
        return np.array([int(value)], "int64")
    if kind == "ones":
        return np.ones(int(value), "float32")
    return np.array(float(value), "float32")


def by_gcc(operator: Operator) -> Prepared | None:
    """The C text by `g++ -O3 -march=native`, as it is."""
    source = 'extern "C" {\n' + operator.source.replace("restrict", "__restrict__") + "}\n"
    includes = [line for line in operator.source.splitlines() if line.startswith("#include")]
    for line in includes:
        source = source.replace(line + "\n", "")
    library = compiled("\n".join(includes) + "\n" + source)
    if library is None:
        return None
    inputs, out = _arrays(operator)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*inputs, out)]
    # The arrays live as long as the call that points to them.
    return Prepared(lambda kept=inputs: library.kernel(*pointers), lambda: out)


def compiled(source: str) -> ctypes.CDLL | None:
    """A library of C++ text for this very machine; `None` without a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        text, library = Path(folder) / "text.cc", Path(folder) / "text.so"
        text.write_text(source, encoding="utf-8")
        command = ["g++", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, text]
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(command, check=True, capture_output=True)
            return ctypes.CDLL(str(library))
    return None


CONTESTANTS: dict[str, Callable[[Operator], Prepared | None]] = {
    "ours": translated,
    "torch": by_torch,
    "ort": by_onnxruntime,
    "numpy": by_numpy,
    "g++": by_gcc,
}
LIBRARIES = ("torch", "ort", "numpy")

RELATIVE = 1e-4
"""Greatest error of floating-point results, as a part of the reference's largest element."""


def agrees(result: np.ndarray, exact: np.ndarray) -> bool:
    """Whether a result is the reference, within `RELATIVE` where it has rounding."""
    found = result.reshape(exact.shape).astype("float64")
    scale = 0.0 if result.dtype.kind in "iu" else RELATIVE * float(np.abs(exact).max())
    return bool(np.all(np.abs(found - exact) <= scale))
