"""`transcompile`: the whole road from a kernel to a target's text, with its evidence."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .emitted import check_emitted, check_scheduled, for_any_cpu
from .errors import CheckError, EmitError, ModelError, ScheduleError, SetupError
from .evidence import Check
from .frontends import device_text
from .kernel import Kernel
from .lifting import Lifted, lift
from .oracles import require
from .stopwatch import Stopwatch
from .trials import RUN_SECONDS, Arrays

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .gpu import Gpu
    from .llm import Client
    from .schedules.base import Rule, Scheduled
    from .schedules.given import Given
    from .stepping import Steps
    from .targets import Emitted, TargetSpec


Scheduler = Literal["rules", "llm", "tuned"]
SCHEDULERS: tuple[Scheduler, ...] = ("rules", "llm", "tuned")


@dataclass(frozen=True, eq=False)
class Translation:
    """A kernel in another dialect.

    Attributes
    ----------
    target : the target's name.
    source : text of the emitted file.
    kernel : the emitted file as a `Kernel`, which can be fed back in; `None` where vnni has no C
        for it, and `source` is LLVM's assembly.
    schedule : the `s_tir.Schedule` with its trace; `mod` its IRModule.
    evidence : the lift's checks and those of this target.
    lifted : what it was made from.
    rung : the form that was scheduled, `blocks`, `mixed` or `opaque`; `notes` say why not a better
        one.
    rule : the schedule rule that applied; `declined` the others, with their reasons.
    libraries : further files by suffix, as bytes.
    seconds : CPU seconds by stage.
    cost : what a model of the target says the kernel costs; empty where there is no model.
    guidance : what a language model was asked for its schedule; empty where none was.
    """

    target: str
    source: str
    kernel: Kernel | None
    schedule: Any
    mod: tvm.IRModule
    evidence: tuple[Check, ...]
    lifted: Lifted
    rung: str
    rule: str
    declined: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    entry: str
    libraries: Mapping[str, bytes]
    seconds: dict[str, float]
    cost: Mapping[str, object]
    guidance: Mapping[str, object] = field(default_factory=dict)

    # ------------------------------------------------------------ running

    def __call__(self, *arrays: np.ndarray, **scalars: int | float) -> None:
        """Runs the translated kernel on numpy arrays.

        `arrays` are the tensors in parameter order, of the parameter's size and dtype; those of
        intent `out` and `inout` are filled in place. Scalars without a value go by keyword.
        `runs_on` says what runs it. Raises `CheckError` XP5007 where the arguments do not fit.
        """
        if self.lifted.kernel.size_names:
            self._call_for_sizes(arrays, scalars)
            return
        given = self._arguments(arrays, scalars)
        gpu = self._gpu
        if gpu is not None and self.kernel is not None:
            from .gpu import run

            outputs: Arrays = run(self.kernel, gpu, given, scalars, seconds=RUN_SECONDS)
        elif self._runs_natively:
            outputs = self._native(given, scalars)
        else:
            outputs = self._emulated(given, scalars)
        for tensor, array in zip(self.lifted.kernel.tensors, arrays, strict=True):
            if tensor.written:
                array[...] = outputs[tensor.name].reshape(array.shape)

    def _call_for_sizes(
        self, arrays: tuple[np.ndarray, ...], scalars: Mapping[str, int | float]
    ) -> None:
        """A call of what takes sizes: where the lift holds for them, in the emulator."""
        from .translation_symbolic import run_at

        names = self.lifted.kernel.size_names
        if not set(names) <= set(scalars):
            keywords = ", ".join(f"{name}=..." for name in names)
            raise CheckError("XP5007", "a size has no value", hint=f"call it with {keywords}")
        sizes = {name: int(scalars[name]) for name in names}
        self.lifted.require(**sizes)
        there = replace(self, lifted=replace(self.lifted, kernel=self.lifted.kernel.at(sizes)))
        others = {name: value for name, value in scalars.items() if name not in sizes}
        given = there._arguments(arrays, others)
        assert self.kernel is not None
        outputs = run_at(self.kernel, given, scalars)
        for tensor, array in zip(there.lifted.kernel.tensors, arrays, strict=True):
            if tensor.written:
                array[...] = outputs[tensor.name].reshape(array.shape)

    @property
    def runs_on(self) -> str:
        """What a call runs on: the GPU's name, `this CPU` or `the emulator`."""
        gpu = self._gpu
        if gpu is not None:
            return gpu.name
        return "this CPU" if self._runs_natively else "the emulator"

    @property
    def _gpu(self) -> Gpu | None:
        from .gpu import find

        return find(self.kernel.dialect) if self.kernel is not None else None

    @property
    def _runs_natively(self) -> bool:
        from .processor import missing_features
        from .targets.vnni import mcpu_of

        return ".so" in self.libraries and not missing_features(mcpu_of(self.target))

    def _arguments(
        self, arrays: tuple[np.ndarray, ...], scalars: Mapping[str, int | float]
    ) -> dict[str, np.ndarray]:
        import numpy as np

        from .emulation import numpy_dtype

        tensors = self.lifted.kernel.tensors
        free = {s.name for s in self.lifted.kernel.scalars if s.value is None}
        if len(arrays) != len(tensors) or set(scalars) != free:
            names = ", ".join(tensor.name for tensor in tensors)
            keywords = "".join(f", {name}=..." for name in sorted(free))
            raise CheckError(
                "XP5007",
                f"{len(arrays)} arrays and the scalars {sorted(scalars)} are given",
                hint=f"call it as result({names}{keywords})",
            )
        for tensor, array in zip(tensors, arrays, strict=True):
            fits = isinstance(array, np.ndarray) and array.size == tensor.size
            if not fits or array.dtype != numpy_dtype(tensor.dtype):
                found = f"{getattr(array, 'shape', type(array).__name__)}"
                raise CheckError(
                    "XP5007",
                    f"{tensor.name!r} takes {tensor.size} elements of {tensor.dtype}; "
                    f"{found} of {getattr(array, 'dtype', '?')} is given",
                )
            if tensor.written and not array.flags.writeable:
                raise CheckError("XP5007", f"{tensor.name!r} is written to and is read-only")
        return {tensor.name: array for tensor, array in zip(tensors, arrays, strict=True)}

    def _emulated(self, arrays: Arrays, scalars: Mapping[str, int | float]) -> Arrays:
        from .emulation import run_module, run_text

        if self.kernel is not None:
            text = device_text(self.kernel)
            arch = _device(self.target)
            return run_text(
                self.kernel, arrays, scalars, text=text, seconds=RUN_SECONDS, arch=arch
            ).arrays
        tensors = self.lifted.kernel.tensors
        run = run_module(
            for_any_cpu(self.mod),
            [arrays[tensor.name] for tensor in tensors],
            scalars=[scalars[s.name] for s in self.lifted.kernel.scalars if s.value is None],
        )
        return {tensor.name: array for tensor, array in zip(tensors, run.arrays, strict=True)}

    @cached_property
    def _library(self) -> Any:
        import tvm

        with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
            path = Path(folder) / f"{self.entry}.so"
            path.write_bytes(self.libraries[".so"])
            return tvm.runtime.load_module(str(path))

    def _native(self, arrays: Arrays, scalars: Mapping[str, int | float]) -> Arrays:
        import numpy as np

        kernel = self.lifted.kernel
        shapes = {
            str(param.name): tuple(int(extent) for extent in param.shape)
            for param in self.mod["main"].params
            if hasattr(param, "shape")
        }
        used: dict[str, np.ndarray] = {}
        arguments: list[Any] = []
        for param in kernel.params or ():
            if param.name in shapes:
                array = np.ascontiguousarray(arrays[param.name]).reshape(shapes[param.name])
                used[param.name] = array
                arguments.append(array)
            elif param.name in scalars:
                arguments.append(scalars[param.name])
        self._library[self.entry](*arguments)
        return used

    # ------------------------------------------------------------ showing

    def __repr__(self) -> str:
        return f"<{self.entry} for {self.target}: {self.rung}, scheduled by {self.rule}>"

    def _repr_html_(self) -> str:
        from .display import translation_page

        return translation_page(self)

    @cached_property
    def steps(self) -> Steps:
        """The schedule's primitives, each with the program after it.

        Raises `ScheduleError` XP3002 where the trace cannot be replayed.
        """
        from .stepping import steps_of

        form = self.lifted.opaque if self.rung == "opaque" else self.lifted.mod
        return steps_of(self.schedule, form, self.target)

    def inspect(self, form: str = "source") -> str:
        """The text of a form: `source`, and for vnni and hip `ll` and `asm`, which are LLVM's.

        Raises `EmitError` XP4003 where the target has no such form.
        """
        from .targets import get

        texts = {"source": self.source}
        texts |= {
            name: self.libraries[suffix].decode()
            for name, suffix in (("ll", ".ll"), ("asm", ".s"))
            if suffix in self.libraries
        }
        other_texts = get(self.target).other_texts
        if form not in texts and other_texts is not None:
            texts |= other_texts(self.mod, self.lifted.kernel)
        if form not in texts:
            raise EmitError(
                "XP4003",
                f"a translation to {self.target} has no form {form!r}",
                hint=f"one of {', '.join(texts)}",
            )
        return texts[form]

    @property
    def report(self) -> dict[str, Any]:
        """Everything that is known about the translation, as plain data."""
        from .report import as_dict

        trace = [line for line in str(self.schedule.trace).splitlines() if line.strip()]
        return {
            "target": self.target,
            "entry": self.entry,
            "rung": self.rung,
            "rule": self.rule,
            "declined": [{"rule": rule, "reason": reason} for rule, reason in self.declined],
            "notes": list(self.notes),
            "assumptions": list(self.lifted.assumptions),
            "schedule": trace,
            **({"cost": dict(self.cost)} if self.cost else {}),
            **self._language_model,
            **as_dict(self.evidence, self.seconds),
        }

    @property
    def _language_model(self) -> dict[str, Any]:
        """What a language model had to do with it, lifting and scheduling; nothing without one."""
        lifting = self.lifted.guidance
        parts = {
            **({"lift": lifting.as_dict()} if lifting else {}),
            **({"schedule": dict(self.guidance)} if self.guidance else {}),
        }
        return {"llm": parts} if parts else {}

    def export(self, folder: str | Path) -> list[Path]:
        """Writes source, libraries and `<name>.report.json`; gives their paths.

        Raises `SetupError` XP6004 where the folder cannot be written to.
        """
        from .targets import get

        stem = Path(self.lifted.kernel.filename).stem
        name = self.entry if self.lifted.kernel.filename == "<source>" else stem
        files: dict[str, bytes] = {}
        if self.kernel is not None or not self.libraries:
            files[name + get(self.target).suffix] = self.source.encode()
        files.update({name + suffix: data for suffix, data in self.libraries.items()})
        files[name + ".report.json"] = json.dumps(self.report, indent=2).encode()
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, data in files.items():
                (folder / file).write_bytes(data)
        except OSError as error:
            raise SetupError(
                "XP6004", f"{folder} cannot be written to: {error.strerror or error}"
            ) from None
        return [folder / file for file in files]


def transcompile(
    kernel: Kernel | Lifted,
    target: str,
    *,
    main: bool = False,
    schedule: Given | None = None,
    scheduler: Scheduler = "rules",
    llm: Client | str | None = None,
    db: str | Path | None = None,
) -> Translation:
    """`kernel` for `target` (`cuda`, `hip`, `bang`, `vnni`, `opencl`), checked by execution.

    With `main` the file also gets a `main` that runs the kernel on generated data and prints a
    checksum of each output.

    A `schedule` that is given takes the place of the target's rules: a trace, a schedule with one,
    the file that an `Explorer` saved, or its JSON. It is held against the source like any other.

    The `scheduler` decides without one: `rules`; `llm`, a language model (`llm` names it, or is a
    client of `xpiler_tvm.llm`) whose choice must cost less than the rules'; or `tuned`, the
    best on record in the folder `db`, else of a search. A kernel that is not lifted yet is lifted
    with the model's help, too.

    A kernel that is translated to several targets is best lifted once. Raises what `lift` raises,
    `ScheduleError` and `EmitError` where the target has no form for it, and `CheckError` XP5001
    where what was emitted differs from the source: then there is no translation.
    """
    from . import targets

    spec = targets.get(target)
    if scheduler not in SCHEDULERS:
        known = ", ".join(SCHEDULERS)
        raise ScheduleError("XP3003", f"{scheduler!r} is no scheduler", hint=f"one of {known}")
    if scheduler == "llm" and llm is None:
        raise ModelError("XP7001", "no language model is named", hint="give llm=..., or --llm")
    if scheduler == "llm" and llm is not None:
        from .llm import connect

        llm = connect(llm)  # one client, one budget, for lifting and scheduling
    lifted = kernel if isinstance(kernel, Lifted) else lift(kernel, llm=llm)
    if lifted.kernel.size_names:
        from .translation_symbolic import transcompile_symbolic

        if main or schedule is not None:
            raise EmitError(
                "XP4001",
                "a main and a given schedule are for sizes, and these are symbolic",
                hint="translate the kernel at sizes: lifted.kernel.at({...})",
            )
        return transcompile_symbolic(spec, lifted)
    if schedule is not None:
        from .schedules.given import rule_of

        given = partial(_attempt, main=main, rule=rule_of(schedule))
        return given(spec, lifted, lifted.mod, lifted.rung, lifted.notes)
    if scheduler == "llm" and llm is not None:
        from .translation_guided import with_model

        return best_form(spec, lifted, with_model(partial(_attempt, main=main), llm))
    if scheduler == "tuned":
        from .translation_guided import with_search

        return best_form(spec, lifted, with_search(partial(_attempt, main=main), db))
    return best_form(spec, lifted, partial(_attempt, main=main))


class Attempt(Protocol):
    """A translation from one form of a kernel: its module, the rung, and notes so far."""

    def __call__(
        self,
        spec: TargetSpec,
        lifted: Lifted,
        mod: tvm.IRModule,
        rung: str,
        notes: tuple[str, ...],
    ) -> Translation: ...


def best_form(spec: TargetSpec, lifted: Lifted, attempt: Attempt) -> Translation:
    """The translation from the best form that the target takes; why others were dropped is noted.

    Raises what the attempt at the best of them did, where none is taken.
    """
    forms = [(lifted.mod, lifted.rung)]
    if lifted.rung != "opaque":
        forms.append((lifted.opaque, "opaque"))
    failures: list[ScheduleError | EmitError | CheckError] = []
    notes = list(lifted.notes)
    for mod, rung in forms:
        try:
            return attempt(spec, lifted, mod, rung, tuple(notes))
        except (ScheduleError, EmitError, CheckError) as error:
            failures.append(error)
            why = f"{error.code}: {error.message}"
            notes.append(f"the {rung} form was dropped for {spec.name}: {why}")
    raise failures[0]


def _attempt(
    spec: TargetSpec,
    lifted: Lifted,
    mod: tvm.IRModule,
    rung: str,
    notes: tuple[str, ...],
    *,
    main: bool,
    rule: Rule | None = None,
    given: Scheduled | None = None,
) -> Translation:
    from . import schedules

    watch = Stopwatch()
    watch.seconds.update(lifted.seconds)
    checks = list(lifted.evidence)
    with watch("schedule"):
        scheduled = given or schedules.apply(mod, spec.name, rule)
    with watch("emit"):
        emitted = spec.emit(scheduled.mod, lifted.kernel.free_standing())
        if main:
            emitted = spec.with_main(emitted, lifted.value_ranges)
    with watch("check target"):
        checks.append(require(check_scheduled(spec, scheduled, lifted)))
        checks += map(require, check_emitted(spec, scheduled, emitted, lifted))
    made = Made(spec, rung, scheduled, emitted)
    return translation_of(lifted, made, checks, notes, watch)


@dataclass(frozen=True, eq=False)
class Made:
    """What came of the form of a rung on its way to a target."""

    spec: TargetSpec
    rung: str
    scheduled: Scheduled
    emitted: Emitted


def translation_of(
    lifted: Lifted, made: Made, checks: list[Check], notes: tuple[str, ...], watch: Stopwatch
) -> Translation:
    """The translation, with the header of its text."""
    from .codegen.header import with_header

    scheduled, emitted = made.scheduled, made.emitted
    text = with_header(emitted.text, scheduled.schedule, lifted.assumptions, checks)
    return Translation(
        made.spec.name,
        text,
        replace(emitted.kernel, source=text) if emitted.kernel else None,
        scheduled.schedule,
        scheduled.mod,
        tuple(checks),
        lifted,
        made.rung,
        scheduled.rule,
        scheduled.declined,
        notes,
        emitted.entry,
        emitted.libraries,
        watch.seconds,
        emitted.cost,
    )


def _device(target: str) -> str | None:
    """The device that a target's kernels are for, by the emulator's name; None for its default."""
    from .targets import get

    return get(target).compiler.arch or None
