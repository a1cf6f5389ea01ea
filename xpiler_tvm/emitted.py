"""What was scheduled and emitted, held against the source: emulated, as a library, on a GPU."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SetupError
from .evidence import Check
from .frontends import device_text
from .kernel import Kernel
from .oracles import check_module, check_reference, check_runs, over_field
from .stopwatch import cpu_seconds
from .trials import RUN_SECONDS, Arrays, Trial

if TYPE_CHECKING:
    import tvm

    from .gpu import Gpu
    from .lifting import Lifted
    from .schedules.base import Scheduled
    from .targets import Emitted, TargetSpec
    from .targets.base import Runner


def check_scheduled(spec: TargetSpec, scheduled: Scheduled, lifted: Lifted) -> Check:
    """Runs a scheduled program on this CPU, whatever it is for."""
    name = f"scheduled for {spec.name} = source"
    mod = for_any_cpu(scheduled.mod)
    return check_module(name, mod, lifted.kernel, lifted.trials, expose=False)


def for_any_cpu(mod: tvm.IRModule) -> tvm.IRModule:
    """A scheduled program without threads and without a processor's own instructions."""
    from .schedules.base import unbind
    from .schedules.intrinsics import portable

    return portable(unbind(mod))


def check_emitted(
    spec: TargetSpec, scheduled: Scheduled, emitted: Emitted, lifted: Lifted
) -> list[Check]:
    """Runs what was emitted: a library, text in the emulator, and on a GPU where there is one.

    Each detail begins with how it was run.
    """
    from .compiled import check_compiles

    name = f"emitted {spec.name} = source"
    checks: list[Check] = []
    if ".so" in emitted.libraries:
        checks.append(_check_library(spec, scheduled, emitted, lifted))
    if spec.runner is not None:
        checks.append(_check_elsewhere(name, spec.runner, emitted, lifted))
    if emitted.kernel is None:
        return checks
    from .emulation import run_text
    from .gpu import find

    written, text = emitted.kernel, device_text(emitted.kernel)

    def emulate(trial: Trial) -> Arrays:
        inputs, scalars = trial.inputs, trial.scalars
        arch = spec.compiler.arch or None
        return run_text(written, inputs, scalars, text=text, seconds=RUN_SECONDS, arch=arch).arrays

    results: list[Arrays] = []

    def kept(trial: Trial) -> Arrays:
        results.append(emulate(trial))
        return results[-1]

    if spec.compiler.arch:
        checks.append(check_compiles(spec, emitted))
    check = _told("emulated", check_runs(name, kept, lifted.kernel, lifted.trials))
    checks.append(check)
    if check.ok:
        label = f"emitted {spec.name}"
        checks.append(check_reference(label, lifted.trials, lifted.kernel, results))
        checks += _check_identity(label, written, text, lifted)
    gpu = find(written.dialect)
    if gpu is not None and check.ok:
        checks.append(_check_on_gpu(name, written, gpu, lifted))
    return checks


def _check_identity(label: str, written: Kernel, text: str, lifted: Lifted) -> list[Check]:
    """Whether what was emitted is the source's polynomial; nothing where that is none."""
    from .verification.identity import check_identity, exact_scalars

    if not any(check.name.endswith("identity over F_p") for check in lifted.evidence):
        return []
    begun, kernel, scalars = cpu_seconds(), exact_scalars(lifted.kernel), lifted.trials[0].scalars
    sides = (kernel, lifted.text), (exact_scalars(written), text)
    check = check_identity(
        f"{label} = source, identity over F_p",
        kernel,
        (over_field(*sides[0], scalars), over_field(*sides[1], scalars)),
        [lifted.text, text],
        ranges=lifted.value_ranges,
    )
    return [replace(check, seconds=cpu_seconds() - begun)] if check else []


def _check_on_gpu(name: str, written: Kernel, gpu: Gpu, lifted: Lifted) -> Check:
    from . import gpu as device

    def execute(trial: Trial) -> Arrays:
        return device.run(written, gpu, trial.inputs, trial.scalars, seconds=RUN_SECONDS)

    name = f"{name}, on the GPU"
    try:
        return _told(f"on {gpu.name}", check_runs(name, execute, lifted.kernel, lifted.trials))
    except SetupError as error:
        # The machine's failure, not the translation's.
        return Check(name, "unknown", f"{error.code}: {error.message}")


def _check_elsewhere(name: str, runner: Runner, emitted: Emitted, lifted: Lifted) -> Check:
    """Runs what is emitted by the target's own means, where this machine has them."""

    def execute(trial: Trial) -> Arrays:
        return dict(runner(emitted, trial.inputs, trial.scalars))

    try:
        return check_runs(name, execute, lifted.kernel, lifted.trials)
    except SetupError as error:
        return Check(name, "unknown", f"not run: {error.message}")


def _check_library(
    spec: TargetSpec, scheduled: Scheduled, emitted: Emitted, lifted: Lifted
) -> Check:
    """Runs the very library that is handed out."""
    from .emulation import run_library
    from .processor import missing_features
    from .targets.vnni import mcpu_of

    name = f"library for {spec.name} = source"
    missing = missing_features(mcpu_of(spec.name))
    if missing:
        return Check(name, "unknown", f"not run: this CPU has no {', '.join(missing)}")
    tensors = lifted.kernel.tensors
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        path = Path(folder) / f"{emitted.entry}.so"
        path.write_bytes(emitted.libraries[".so"])

        def execute(trial: Trial) -> Arrays:
            done = run_library(
                path,
                emitted.entry,
                scheduled.mod["main"],
                [trial.inputs[tensor.name] for tensor in tensors],
                scalars=list(trial.scalars.values()),
                seconds=RUN_SECONDS,
            )
            return {tensor.name: array for tensor, array in zip(tensors, done.arrays, strict=True)}

        return _told("on this CPU", check_runs(name, execute, lifted.kernel, lifted.trials))


def _told(how: str, check: Check) -> Check:
    return replace(check, detail=f"{how}: {check.detail}")
