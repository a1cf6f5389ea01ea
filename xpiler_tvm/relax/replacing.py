"""`ReplaceKernels`: kernels in place of functions that a module calls by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tvm
from tvm import relax, tirx
from tvm.ir.transform import PassContext, module_pass
from tvm.relax.expr_functor import PyExprMutator, mutator

from xpiler_tvm.emulation import run_module_each
from xpiler_tvm.errors import EmitError, XpilerError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.lifting import Lifted, lift
from xpiler_tvm.oracles import check_outputs, require
from xpiler_tvm.tir import Buffer, Expr

from .callee import Callee, callee_of, reshaped
from .passes import called_directly


@called_directly
@module_pass(opt_level=0, name="ReplaceKernels")
class ReplaceKernels:
    """A pass that puts kernels in place of what `call_tir` and `call_dps_packed` call.

        y = R.call_tir(softmax, (x,), ...)              y = R.call_tir(softmax_1, (x,), ...)
        y = R.call_dps_packed("softmax", (x,), ...)  -> the same
                                                        y = R.nn.softmax(x)    with `operators`

    The call's arguments are the tensors that the kernel reads, in its order, and its results those
    that it writes. Shapes may differ where the number of elements does not. A `PrimFunc` that is
    replaced is run on the inputs of the lift, and has to give what the kernel gives.

    Parameters
    ----------
    kernels : by the name of the function; a `Kernel` is lifted.
    operators : put the Relax operators that were recognised in a kernel in its place.

    Raises
    ------
    EmitError XP4004 : a call does not fit its kernel, or no operators were recognised.
    CheckError XP5001 : a function that is replaced computes something else.
    """

    def __init__(self, kernels: Mapping[str, Kernel | Lifted], *, operators: bool = False) -> None:
        self.kernels = {
            name: kernel if isinstance(kernel, Lifted) else lift(kernel)
            for name, kernel in kernels.items()
        }
        self.operators = operators

    def transform_module(self, mod: tvm.IRModule, _: PassContext) -> tvm.IRModule:
        for name, lifted in self.kernels.items():
            if name in [str(var.name_hint) for var in mod.get_global_vars()]:
                check_same(mod[name], name, lifted)
        rewriter = _Rewriter(mod, self.kernels, self.operators)
        for var, func in mod.functions_items():
            if isinstance(func, relax.Function):
                rewriter.builder_.update_func(var, rewriter.rewritten(func))
        made = rewriter.builder_.get()
        return _without_unused(made, set(self.kernels))


def check_same(func: Any, name: str, lifted: Lifted) -> None:
    """Holds a function of a module against the kernel that takes its place."""
    if not isinstance(func, tirx.PrimFunc):
        return
    callee = callee_of(lifted)
    if len(func.params) != len(callee.func.params):
        raise _misfit(name, f"it takes {len(func.params)} arrays, {len(callee.func.params)} needed")
    for theirs, ours in zip(func.params, callee.func.params, strict=True):
        if _size(theirs) != _size(ours) or str(theirs.dtype) != str(ours.dtype):
            raise _misfit(name, f"{theirs.name} is {_about(theirs)}, the kernel has {_about(ours)}")
    trials = lifted.trials
    tensors = {tensor.name: tensor for tensor in lifted.kernel.tensors}
    starts: list[Any] = []
    for trial in trials:
        arrays = [trial.inputs[one] for one in callee.inputs]
        arrays += [trial.outputs[one] * 0 for one in callee.outputs]
        starts.append((arrays, []))
    runs = run_module_each(tvm.IRModule({"main": func.with_attr("global_symbol", "main")}), starts)
    results = []
    for trial, run in zip(trials, runs, strict=True):
        found = {one: trial.inputs[one] for one, tensor in tensors.items() if tensor.written}
        found.update(zip(callee.outputs, run.arrays[len(callee.inputs) :], strict=True))
        results.append(found)
    check = check_outputs(f"{name} = {lifted.kernel.entry}", results, lifted.kernel, trials)
    require(check)


@mutator
class _Rewriter(PyExprMutator):
    """Rewrites the calls of one module; each function is added once, when it is first called."""

    def __init__(self, mod: tvm.IRModule, kernels: Mapping[str, Lifted], operators: bool) -> None:
        super().__init__(mod)
        self.kernels, self.operators = kernels, operators
        self.added: dict[str, tuple[Callee, Any]] = {}
        self.refused: XpilerError | None = None

    def rewritten(self, func: Any) -> Any:
        """The function with its calls replaced."""
        try:
            return self.visit_expr(func)
        except RuntimeError:
            if self.refused:  # TVM has made another error of it
                raise self.refused from None
            raise

    def visit_call_(self, call: Any) -> Any:
        try:
            return self._replaced(call)
        except XpilerError as error:
            self.refused = error
            raise

    def _replaced(self, call: Any) -> Any:
        call = self.visit_expr_post_order(call)
        name = _called(call)
        if name not in self.kernels:
            return call
        args = list(call.args[1].fields)
        if self.operators:
            return self._operators(name, args, call)
        callee, var = self._function(name)
        if callee.partly:
            raise _misfit(
                name, f"the kernel leaves elements of {', '.join(callee.partly)} unwritten"
            )
        self._check(name, callee, args, call)
        results = callee.call(self.builder_, var, args)
        return self._as_before(results, call)

    def _function(self, name: str) -> tuple[Callee, Any]:
        if name not in self.added:
            lifted = self.kernels[name]
            callee = callee_of(lifted)
            entry = str(lifted.kernel.entry).removesuffix("_kernel")
            var = self.builder_.add_func(callee.func, f"{entry}_kernel")
            self.added[name] = callee, var
        return self.added[name]

    def _check(self, name: str, callee: Callee, args: list[Expr], call: Any) -> None:
        buffers = callee.input_buffers
        if len(args) != len(buffers):
            raise _misfit(name, f"{len(args)} tensors are passed, the kernel reads {len(buffers)}")
        outputs = _types(call)
        if len(outputs) != len(callee.outputs):
            raise _misfit(name, f"{len(outputs)} results, the kernel writes {len(callee.outputs)}")
        given = [*(arg.ty for arg in args), *outputs]
        for theirs, ours in zip(given, callee.func.params, strict=True):
            if _elements(theirs) != _size(ours) or str(theirs.dtype) != str(ours.dtype):
                raise _misfit(name, f"{theirs} is passed, {ours.name} is {_about(ours)}")

    def _operators(self, name: str, args: list[Expr], call: Any) -> Any:
        recognised = self.kernels[name].recognised
        if not recognised.operators:
            why = recognised.reason or "; ".join(recognised.notes)
            raise _misfit(name, f"no operators were recognised: {why}")
        function = recognised.relax()["main"]
        if len(args) != len(function.params):
            raise _misfit(name, f"{len(args)} tensors are passed, not {len(function.params)}")
        var = self.builder_.add_func(function.without_attr("global_symbol"), f"{name}_operators")
        given = [
            reshaped(self.builder_, arg, param.ty.shape)
            for arg, param in zip(args, function.params, strict=True)
        ]
        made = self.builder_.emit(relax.Call(var, given))
        count = len(_types(call))
        single = not isinstance(made.ty, relax.TupleType)
        parts = [made] if single else [relax.TupleGetItem(made, index) for index in range(count)]
        return self._as_before([self.builder_.emit(part) for part in parts], call)

    def _as_before(self, results: list[Expr], call: Any) -> Any:
        """The results in the shapes that the call had."""
        shaped = [
            reshaped(self.builder_, result, kind.shape)
            for result, kind in zip(results, _types(call), strict=True)
        ]
        return shaped[0] if len(shaped) == 1 else relax.Tuple(shaped)


def _called(call: Any) -> str:
    """The name of what a call calls by destination; empty where it is another kind of call."""
    if not isinstance(call.op, tvm.ir.Op):
        return ""
    if call.op.name == "relax.call_tir":
        return str(call.args[0].name_hint)
    if call.op.name == "relax.call_dps_packed" and isinstance(call.args[0], relax.ExternFunc):
        return str(call.args[0].global_symbol)
    return ""


def _types(call: Any) -> list[Any]:
    kind = call.ty_args[0]
    return list(kind.fields) if isinstance(kind, relax.TupleType) else [kind]


def _elements(kind: Any) -> int:
    return math.prod(int(extent) for extent in kind.shape)


def _size(buffer: Buffer) -> int:
    return math.prod(int(extent) for extent in buffer.shape)


def _about(buffer: Buffer) -> str:
    return f"{buffer.dtype}[{', '.join(map(str, buffer.shape))}]"


def _misfit(name: str, why: str) -> EmitError:
    return EmitError("XP4004", f"{name!r} does not fit: {why}")


def _without_unused(mod: tvm.IRModule, names: set[str]) -> tvm.IRModule:
    """The module without the functions of these names that nothing calls any more."""
    used: set[str] = set()
    for func in mod.functions.values():
        if isinstance(func, relax.Function):
            relax.analysis.post_order_visit(func, lambda node: _note(node, used))
    kept = {
        var: func for var, func in mod.functions.items() if str(var.name_hint) not in names - used
    }
    return tvm.IRModule(kept, attrs=mod.attrs)


def _note(node: Any, used: set[str]) -> None:
    if isinstance(node, tvm.ir.GlobalVar):
        used.add(str(node.name_hint))
