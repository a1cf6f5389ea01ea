"""Filling in what a kernel's text alone does not say: entry, parameters, launch.

What the caller gives is held against the kernel's signature; what is missing is read from the
file's host code (`host.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from xpiler_tvm.dialects.bang import KINDS
from xpiler_tvm.dialects.bang_jobs import job
from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS, MAX_BLOCK, MAX_GRID, MAX_THREADS
from xpiler_tvm.errors import ReadError
from xpiler_tvm.extents import is_text
from xpiler_tvm.kernel import Intent, Kernel, Launch, Param, Scalar, Tensor

from . import c_source, clang_ast, ir
from .c_reader import read_unit
from .host import Argument, FoundIntent, HostFacts, launch_of
from .parameters import Slot, slots_of
from .partial_eval import constants_of, evaluate
from .spelling import parse_argument, split_arguments


@lru_cache(maxsize=32)
def unit_of(source: str, dialect: str, filename: str) -> ir.Unit:
    """The parsed file, kept for as long as it is being worked on."""
    return read_unit(source, dialect, filename)


def resolve(kernel: Kernel) -> Kernel:
    """`kernel` with entry, parameters and launch. Shapes may still be `None`.

    Raises `ReadError`: XP1003 to XP1007, XP1011 to XP1015.
    """
    unit = unit_of(kernel.source, kernel.dialect, kernel.filename)
    function = find_entry(unit, kernel)
    if kernel.dialect == "vnni" and kernel.params is None:
        kernel = _with_signature(unit, function, kernel)
    if kernel.params is None or (kernel.launch is None and kernel.dialect != "vnni"):
        kernel = _from_host(unit, function, kernel)
    else:
        entry = kernel.entry or function.name
        kernel = _with_args(function, replace(kernel, entry=entry), unit)
    _check_signature(unit, function, kernel)
    _check_launch(kernel, function)
    return kernel


def _with_args(function: ir.Function, kernel: Kernel, unit: ir.Unit) -> Kernel:
    """The caller's parameters by name in the kernel's order, scalars also from `args`."""
    given = {param.name.replace(".", "_"): param for param in kernel.params or ()}
    args = {name.replace(".", "_"): value for name, value in kernel.args}
    slots = slots_of(unit, function, template_arguments(unit, function, kernel.entry or ""))
    names = [slot.name for slot in slots]
    for name in given:
        if name not in names:
            raise ReadError(
                "XP1007",
                f"{function.name!r} has no parameter {name!r}",
                span=function.span,
                hint=f"it has: {', '.join(names)}",
            )
    for name in args:
        if name not in names and not _is_host_argument(unit, kernel):
            raise ReadError(
                "XP1014",
                f"{function.name!r} has no parameter {name!r} to give a value to",
                hint=f"it has: {', '.join(names)}",
            )
    params: list[Param] = []
    for slot in slots:
        param = given.get(slot.name)
        if param is None and slot.symbol:
            param = symbol_of(slot)
        if param is None and slot.name in args and not slot.pointer:
            param = Scalar(slot.name, slot.dtype)
        if isinstance(param, Scalar):
            value = args.get(slot.name, param.value) if param.value is None else param.value
            param = replace(param, name=slot.name, value=value, of=slot.of, at=slot.at)
        if isinstance(param, Tensor):
            param = replace(param, symbol=slot.symbol, of=slot.of, at=slot.at)
        if param is None:
            raise ReadError(
                "XP1007",
                f"nothing is said about the parameter {slot.name!r} of {function.name!r}",
                span=slot.span,
                hint=_how_to_give(slot),
            )
        params.append(param)
    return kernel.with_params(tuple(params))


def symbol_of(slot: Slot) -> Tensor:
    """A variable of the file as a tensor."""
    intent: Intent = "inout" if slot.written else "in"
    return Tensor(slot.name, slot.shape, slot.dtype, intent, symbol=True)


def _is_host_argument(unit: ir.Unit, kernel: Kernel) -> bool:
    """Whether the host code takes the arguments: those that a kernel was resolved with stay."""
    try:
        launch_of(unit, kernel)
    except ReadError:
        return False
    return True


def _how_to_give(slot: Slot) -> str:
    name = slot.name
    if slot.pointer:
        return f"give it: --param '{name}:float32[512]', or xt.Tensor({name!r}, (512,))"
    return f"give it: --arg {name}=512, or xt.Scalar({name!r}, value=512)"


def _with_signature(unit: ir.Unit, function: ir.Function, kernel: Kernel) -> Kernel:
    """A C kernel with its own parameters: tensors of unknown shape, and scalars.

    Those that it writes are `inout`: it may leave elements as they were.
    """
    named = replace(kernel, entry=kernel.entry or function.name)
    bound = template_arguments(unit, function, named.entry or "")
    values = dict(kernel.args)
    params: list[Param] = []
    for slot in slots_of(unit, function, bound):
        if slot.pointer:
            params.append(
                Tensor(slot.name, slot.shape, slot.dtype, "inout", slot.symbol, slot.of, slot.at)
            )
        else:
            value = values.get(slot.name)
            params.append(Scalar(slot.name, slot.dtype, value, slot.of, at=slot.at))
    written = evaluate(unit, function, named.with_params(tuple(params)), bound).written
    return named.with_params(
        tuple(
            replace(param, intent="in")
            if isinstance(param, Tensor) and param.name not in written
            else param
            for param in params
        )
    )


def find_entry(unit: ir.Unit, kernel: Kernel) -> ir.Function:
    """The kernel that is meant; a template's instance by its template's name."""
    if kernel.dialect == "vnni":
        return c_source.find_entry(unit, kernel)
    kernels = unit.kernels
    names = ", ".join(found.name for found in kernels)
    if not kernels:
        raise ReadError(
            "XP1005", f"{kernel.filename} has no kernel", hint="a kernel is a __global__ function"
        )
    if kernel.entry is not None:
        base = kernel.entry.split("<")[0].strip().rpartition("::")[2]
        for found in kernels:
            if found.name == base:
                return found
        raise ReadError(
            "XP1003",
            f"{kernel.filename} has no kernel named {base!r}",
            hint=f"it has: {names}",
        )
    if len(kernels) == 1:
        return kernels[0]
    raise ReadError(
        "XP1004",
        f"{kernel.filename} has {len(kernels)} kernels and none is named",
        span=kernels[1].span,
        hint=f"name one of {names} with --entry, or entry=...",
    )


def _from_host(unit: ir.Unit, function: ir.Function, kernel: Kernel) -> Kernel:
    """The kernel with what its first launch says."""
    named = kernel if kernel.entry is not None else replace(kernel, entry=function.name)
    return with_facts(unit, function, kernel, launch_of(unit, named))


def with_facts(unit: ir.Unit, function: ir.Function, kernel: Kernel, facts: HostFacts) -> Kernel:
    """The kernel with what one launch of `function` says, where the caller did not say it."""
    entry = kernel.entry if kernel.entry and "<" in kernel.entry else facts.entry
    params = kernel.params
    if params is None:
        found: list[Param] = []
        bound = template_arguments(unit, function, entry)
        arguments = {argument.name: argument for argument in facts.arguments}
        for slot in slots_of(unit, function, bound):
            if slot.symbol:
                found.append(symbol_of(slot))
                continue
            argument = arguments.get(slot.name, Argument(slot.name))
            if slot.pointer:
                shape = None if argument.extent is None else (argument.extent * slot.parts,)
                intent = "inout" if argument.intent == "unknown" else argument.intent
                found.append(Tensor(slot.name, shape, slot.dtype, intent, of=slot.of, at=slot.at))
            else:
                found.append(Scalar(slot.name, slot.dtype, argument.value, slot.of, at=slot.at))
        params = tuple(found)
    launch = kernel.launch or launch_from(facts, kernel.dialect)
    return replace(kernel, entry=entry, params=params, launch=launch)


def launch_from(facts: HostFacts, dialect: str) -> Launch:
    """The launch that host code makes. Raises `ReadError` XP1011 for an unknown kind of job."""
    if dialect != "bang":
        return Launch(facts.grid, facts.block, facts.shared_bytes)
    # The second word of a launch is the job's type, whose number counts the cores that it takes.
    for name, kind in KINDS.items():
        if kind.multiple == facts.block[0]:
            return Launch(tasks=facts.grid, kind=name)
    raise ReadError(
        "XP1011",
        f"{facts.block[0]} is no type of a job",
        span=facts.span,
        hint=f"one of {', '.join(kind.function_type for kind in KINDS.values())}",
    )


def intents_open(unit: ir.Unit, kernel: Kernel) -> dict[str, FoundIntent]:
    """Tensors of which the host code did not say all: reading the kernel decides the rest.

    Of `unknown` ones it said nothing; those that it fills and never fetches, `in`, may be written.
    """
    try:
        facts = launch_of(unit, kernel)
    except ReadError:
        return {}
    return {a.name: a.intent for a in facts.arguments if a.intent in ("unknown", "in")}


def template_arguments(
    unit: ir.Unit, function: ir.Function, entry: str
) -> dict[int, ir.Type | int]:
    """The template arguments in `softmax<float, 256>`, by the parameters' identities."""
    if not function.template_params:
        return {}
    words = split_arguments(entry.partition("<")[2].rpartition(">")[0])
    missing = [ident for _, ident in function.template_params[len(words) :]]
    if len(words) > len(function.template_params) or any(
        ident not in function.template_defaults for ident in missing
    ):
        names = ", ".join(name for name, _ in function.template_params)
        raise ReadError(
            "XP1003",
            f"{function.name!r} is a template over {names}: its instance is not named",
            span=function.span,
            hint=f'name it in full, for example entry="{function.name}<256>"',
        )
    bound: dict[int, ir.Type | int] = {}
    types, span = constants_of(unit), function.span
    for (_, ident), word in zip(function.template_params, words, strict=False):
        try:
            bound[ident] = types.template_argument(parse_argument(word, span), span)
        except ReadError:
            raise ReadError(
                "XP1014",
                f"the template argument {word!r} is neither a number nor a type that is known here",
                span=span,
            ) from None
    return types.with_defaults(function.template_params, function.template_defaults, bound, span)


def _check_signature(unit: ir.Unit, function: ir.Function, kernel: Kernel) -> None:
    params = kernel.params or ()
    bound = template_arguments(unit, function, kernel.entry or "")
    slots = slots_of(unit, function, bound)
    wanted = ", ".join(slot.name for slot in slots)
    if len(params) != len(slots):
        raise ReadError(
            "XP1007",
            f"{function.name!r} takes {len(slots)} parameters ({wanted}), {len(params)} are given",
            span=function.span,
        )
    for slot, param in zip(slots, params, strict=True):
        given = "a tensor" if isinstance(param, Tensor) else "a scalar"
        if slot.pointer != isinstance(param, Tensor):
            what = "a pointer" if slot.pointer else "a scalar"
            raise ReadError("XP1007", f"{slot.name!r} is {what}, {given} is given", span=slot.span)
        if slot.dtype != param.dtype:
            raise ReadError(
                "XP1007",
                f"{slot.name!r} holds {slot.dtype}, {param.dtype} is given",
                span=slot.span,
            )


def _check_launch(kernel: Kernel, function: ir.Function) -> None:
    launch = kernel.launch or Launch()
    if kernel.dialect == "vnni":
        return
    if kernel.dialect == "bang":
        _check_tasks(launch, function)
        return
    most_shared = GPUS[DEFAULT_GPUS[kernel.dialect]].shared
    shared = 0 if is_text(launch.shared_bytes) else launch.shared_bytes
    if not 0 <= shared <= most_shared:
        raise ReadError(
            "XP1011",
            f"{shared} bytes of dynamic shared memory, the limit is {most_shared}",
            span=function.span,
        )
    if not launch.grid or not launch.block:
        raise ReadError(
            "XP1006",
            "the launch has no grid or no block",
            span=function.span,
            hint="give --grid and --block, or launch=xt.Launch(grid=(64,), block=(256,))",
        )
    threads = 1
    for extent in launch.block:
        threads *= extent
    too_long = any(n > most for n, most in zip(launch.block, MAX_BLOCK, strict=False))
    if threads > MAX_THREADS or too_long:
        raise ReadError(
            "XP1011",
            f"a block of {'x'.join(map(str, launch.block))} has {threads} threads, "
            f"the limit is {MAX_THREADS}",
            span=function.span,
            hint="launch more blocks of fewer threads",
        )
    counted = zip(launch.grid, MAX_GRID, strict=False)
    if any(not is_text(n) and n > most for n, most in counted):
        raise ReadError(
            "XP1011",
            f"a grid of {'x'.join(map(str, launch.grid))} is beyond {MAX_GRID}",
            span=function.span,
        )


def _check_tasks(launch: Launch, function: ir.Function) -> None:
    """That a launch of BANG C has tasks, as many as its kind of job takes."""
    if not launch.tasks:
        raise ReadError(
            "XP1006",
            "the launch has no tasks",
            span=function.span,
            hint="give --tasks and --kind, or launch=xt.Launch(tasks=(4,), kind='union1')",
        )
    job(launch, "")


def device_text(kernel: Kernel) -> str:
    """The source with host functions blanked out, its lines kept: what the emulator compiles."""
    if kernel.dialect == "vnni":
        return kernel.source
    return clang_ast.without_host_code(
        kernel.source, kernel.dialect, kernel.filename, kernel.entry or ""
    )
