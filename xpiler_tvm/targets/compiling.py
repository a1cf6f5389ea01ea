"""`tvm.compile` for targets that TVM has no code generator for.

    tvm.compile(mod, target=xt.targets.bang())

TVM's kind for devices it does not know is `ext_dev`; which device it is, the target says. A pass in
front of TVM's lowering emits each function of such a target and leaves a host function that calls
the runner, and a device function that holds the text:

    main(A, B): blocks bound to tasks   ->   main(A, B): call_packed("xpiler_tvm.run", kernel, A, B)
                                             main_device: the text, as an import of the module

What TVM makes of the rest is an ordinary library with an ordinary calling convention. Imports TVM.
"""

from __future__ import annotations

import ctypes
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target
from tvm.tirx.compilation_pipeline import PIPELINE_MAP, register_tir_pipeline

from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Launch, Param, Scalar, Tensor

from .base import TargetSpec

RUNNER = "xpiler_tvm.run"
"""The global function that runs an emitted kernel: on a GPU where there is one, else emulated."""

_KIND = "ext_dev"
_PIPELINE = "s_tir"
_CPU = 1
"""DLPack's number of the device that has the arrays: they are copied to where a kernel runs."""
_TEXT, _CONVENTION, _DEVICE_CALL = "xpiler_tvm.text", "calling_conv", 2


def device_target(spec: TargetSpec, keys: Sequence[str]) -> Target:
    """The target of `tvm.compile` for a device; `keys` are what TVM's own rules may ask for."""
    install()
    about = {"kind": _KIND, "keys": [*keys], "device": spec.name, "target_device_type": _CPU}
    return Target(about, host="llvm")


@functools.cache
def install() -> None:
    """Makes TVM know us, once a process: the pass, the code generator and the runner."""
    # What `backend.autoload` has left there only calls this function.
    original = getattr(PIPELINE_MAP[_PIPELINE], "replaced", PIPELINE_MAP[_PIPELINE])

    def pipeline(**options: Any) -> tuple[Any, Any, Any]:
        lower, finish_host, finish_device = original(**options)

        @tvm.transform.module_pass(opt_level=0)
        def emit_first(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
            hosts, devices = _split(mod)
            lowered = lower(hosts)
            lowered.update(devices)
            return lowered

        return emit_first, finish_host, finish_device

    register_tir_pipeline(_PIPELINE, pipeline)
    tvm.register_global_func(f"target.build.{_KIND}", _source_module, override=True)
    tvm.register_global_func(RUNNER, _run, override=True)


# ---------------------------------------------------------------- building


def _split(mod: tvm.IRModule) -> tuple[tvm.IRModule, tvm.IRModule]:
    """Every function as the host calls it, and the texts of those that are for our devices."""
    hosts: dict[Any, Any] = {}
    devices: dict[Any, Any] = {}
    for var, func in mod.functions.items():
        spec = _spec_of(func)
        if spec is None:
            hosts[var] = func
            continue
        kernel, text = _emit(spec, str(var.name_hint), func)
        target = func.attrs["target"]
        args = [
            tirx.call_intrin("handle", "tirx.buffer_data", param)
            if tirx.is_buffer_var(param)
            else param
            for param in func.params
        ]
        call = tirx.call_packed(RUNNER, tvm.ir.StringImm(_as_json(kernel)), *args)
        host = tirx.PrimFunc(func.params, tirx.Evaluate(call), func.ret_type, func.attrs)
        hosts[var] = host.with_attr("target", target.host.with_host(target.host))
        name = f"{var.name_hint}_device"
        devices[name] = tirx.PrimFunc([], tirx.Evaluate(0)).with_attr(
            {"target": target, "global_symbol": name, _CONVENTION: _DEVICE_CALL, _TEXT: text}
        )
    return tvm.IRModule(hosts, attrs=mod.attrs), tvm.IRModule(devices)


def _spec_of(func: Any) -> TargetSpec | None:
    """The target of ours that a function is for."""
    from . import TARGETS

    target = func.attrs.get("target") if isinstance(func, tirx.PrimFunc) and func.attrs else None
    if target is None or target.kind.name != _KIND:
        return None
    return TARGETS.get(str(target.attrs.get("device", "")))


def _emit(spec: TargetSpec, name: str, func: tirx.PrimFunc) -> tuple[Kernel, str]:
    """The kernel of a function and its text. What nobody scheduled, our own rules schedule."""
    from xpiler_tvm import schedules

    described = _described(func, name, spec)
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    if not _is_scheduled(func):
        mod = schedules.apply(mod, spec.name).mod
    emitted = spec.emit(mod, described)
    if emitted.kernel is None:
        raise EmitError("XP4001", f"{spec.name} has no text that could be run")
    return emitted.kernel, emitted.text


def _is_scheduled(func: tirx.PrimFunc) -> bool:
    bound: list[tirx.For] = []

    def look(loop: tirx.For) -> None:
        if loop.kind == tirx.ForKind.THREAD_BINDING:
            bound.append(loop)

    tvm_ffi.structural_walk(func.body, [(tirx.For, look)])
    return bool(bound)


def _described(func: tirx.PrimFunc, name: str, spec: TargetSpec) -> Kernel:
    """A function's name and parameters, as an emitter takes them."""
    written: set[tvm.ir.Var] = set()

    def note(store: tirx.BufferStore) -> None:
        written.add(store.buffer)

    tvm_ffi.structural_walk(func.body, [(tirx.BufferStore, note)])
    params: list[Param] = []
    for param in func.params:
        if not tirx.is_buffer_var(param):
            params.append(Scalar(str(param.name), str(param.ty.dtype)))
            continue
        if not all(isinstance(extent, int | tirx.IntImm) for extent in param.shape):
            raise EmitError(
                "XP4001",
                f"the shape of {param.name!r} is not known when the module is compiled",
                hint="tvm.compile takes fixed shapes; xt.transcompile takes symbolic sizes too",
            )
        shape = tuple(int(extent) for extent in param.shape)
        intent: Any = "inout" if param in written else "in"
        params.append(Tensor(str(param.name), shape, str(param.dtype), intent))
    dialect: Any = spec.name
    return Kernel("", dialect, name, tuple(params), filename=name)


def _source_module(mod: tvm.IRModule, target: Target) -> tvm.runtime.Module:
    """A runtime module whose source is the emitted text.

    TVM exports modules of C sources by compiling them. A host's compiler sees an empty file here;
    a device's, which defines the macro, the kernels.
    """
    from . import get

    macro = get(str(target.attrs["device"])).compiler.macro
    texts = [str(func.attrs[_TEXT]) for _, func in sorted(mod.functions.items(), key=_by_name)]
    text = "\n".join([f"#ifdef {macro}", *texts, f"#endif  // {macro}", ""])
    create: Callable[..., tvm.runtime.Module] = tvm.get_global_func("runtime.CSourceModuleCreate")
    return create(text, "cc", [], [])


def _by_name(item: tuple[tvm.ir.GlobalVar, tirx.PrimFunc]) -> str:
    return str(item[0].name_hint)


# ---------------------------------------------------------------- running


def _as_json(kernel: Kernel) -> str:
    return json.dumps(
        {
            "source": kernel.source,
            "dialect": kernel.dialect,
            "entry": kernel.entry,
            "tensors": [asdict(one) for one in kernel.tensors],
            "scalars": [asdict(one) for one in kernel.scalars],
            "order": [param.name for param in kernel.params or ()],
            "launch": asdict(kernel.launch) if kernel.launch else None,
            "filename": kernel.filename,
        }
    )


@functools.lru_cache(maxsize=256)
def _from_json(text: str) -> Kernel:
    about = json.loads(text)
    tensors = [Tensor(**{**one, "shape": tuple(one["shape"])}) for one in about["tensors"]]
    scalars = [Scalar(**one) for one in about["scalars"]]
    params: dict[str, Param] = {one.name: one for one in tensors}
    params.update((one.name, one) for one in scalars)
    launch = Launch(**about["launch"]) if about["launch"] else None
    kernel = Kernel(about["source"], about["dialect"], about["entry"], filename=about["filename"])
    return replace(kernel, params=tuple(params[name] for name in about["order"]), launch=launch)


def _run(text: str, *args: Any) -> None:
    """Runs a kernel on arrays at addresses, and fills those that it writes."""
    from xpiler_tvm.emulation import run_text
    from xpiler_tvm.frontends import device_text
    from xpiler_tvm.gpu import find, run

    kernel = _from_json(text)
    arrays: dict[str, np.ndarray] = {}
    scalars: dict[str, int | float] = {}
    for param, arg in zip(kernel.params or (), args, strict=True):
        if isinstance(param, Tensor):
            arrays[param.name] = _array_at(arg.value, param)
        else:
            scalars[param.name] = arg
    gpu = find(kernel.dialect)
    if gpu is not None:
        results = run(kernel, gpu, arrays, scalars)
    else:
        results = run_text(kernel, arrays, scalars, text=device_text(kernel)).arrays
    for tensor in kernel.tensors:
        if tensor.written:
            arrays[tensor.name][...] = results[tensor.name].reshape(tensor.shape or ())


def _array_at(address: int, tensor: Tensor) -> np.ndarray:
    """The caller's array itself, not a copy."""
    from xpiler_tvm.emulation import numpy_dtype

    dtype = numpy_dtype(tensor.dtype)
    raw = (ctypes.c_uint8 * (tensor.size * dtype.itemsize)).from_address(address)
    return np.ctypeslib.as_array(raw).view(dtype).reshape(tensor.shape or ())
