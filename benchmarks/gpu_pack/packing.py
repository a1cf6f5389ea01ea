"""Makes the pack: what a machine with a GPU needs to be compared with the emulator.

    pack/run_on_gpu.py, nvrtc.py, host.h   what runs there, without this package
    pack/manifest.json                     the kernels, and those that were left out with the reason
    pack/kernels/NAME/kernel.cu            the device text, its lines as in the source
    pack/kernels/NAME/launcher.cu          the launch, made for `host.h`
    pack/kernels/NAME/kernel.json          parameters, launch, expected findings
    pack/kernels/NAME/arrays.npz           in.NAME, and for values out.NAME and bound.NAME

An output's `bound` is the largest permitted difference of each element, of floats alone: integers
are equal or wrong. -1 marks an element that the kernel leaves as it was, bit for bit.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xpiler_tvm import frontends
from xpiler_tvm.emulation import Finding, find_faults, is_unwritten, numpy_dtype, run_text
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.kernel import Kernel, Launch, Param, Scalar, Tensor
from xpiler_tvm.verification import bound, inputs_for, likely_terms

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CARRIED = ("run_on_gpu.py", "nvrtc.py", "host.h")
SECONDS = 120.0

# Fewer rows than the file's own `main` has, for the pack to stay small.
_ARGUMENTS: dict[str, dict[str, int | float]] = {"softmax": {"rows": 256, "cols": 1024}}
_INCLUDE = re.compile(r"^\s*#\s*include\b")
_VARIABLE = re.compile(r"of '(?P<name>.*)'$")
_C_TYPES = {
    "float16": "float",
    "bfloat16": "float",
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "int64": "long long",
    "uint64": "unsigned long long",
}


@dataclass(frozen=True)
class Job:
    """A kernel to compare; where it is `correct`, by its values too and not by its faults alone."""

    name: str
    kernel: Kernel
    text: str
    inputs: dict[str, np.ndarray]
    correct: bool


class LeftOut(Exception):
    """A kernel that cannot be compared, and why."""


def jobs() -> Iterator[tuple[str, Callable[[], Job]]]:
    """Every kernel of the repository: its name in the pack, and what makes it.

    Making it raises `LeftOut` where it cannot be compared.
    """
    for path in (*_files("examples"), *_files("tests/kernels")):
        yield path.stem, partial(from_file, path)
    yield from cases()


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("*.cu"))


def from_file(path: Path) -> Job:
    """A kernel with host code, and inputs that it can be run on."""
    ranges: dict[str, tuple[int, int]] = {}
    try:
        kernel = frontends.resolve(Kernel.from_file(path, args=_ARGUMENTS.get(path.stem)))
    except XpilerError as error:
        raise LeftOut(f"not read: {error.code} {error.message}") from None
    try:
        reading = frontends.read(kernel)
        kernel, ranges = reading.kernel, dict(reading.value_ranges)
    except XpilerError:
        pass  # it need not be understood to be run
    inputs = inputs_for(kernel, 0, "random", ranges)
    return Job(path.stem, kernel, with_includes(kernel), inputs, True)


def with_includes(kernel: Kernel) -> str:
    """The device text with the includes of the file, which a vendor's compiler needs."""
    device, source = frontends.device_text(kernel).split("\n"), kernel.source.split("\n")
    return "\n".join(
        theirs if _INCLUDE.match(theirs) and not mine.strip() else mine
        for mine, theirs in zip(device, source, strict=True)
    )


def cases() -> Iterator[tuple[str, Callable[[], Job]]]:
    """The texts of the tests of findings: right, and wrong in one place each."""
    folder = str(ROOT / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    tests = importlib.import_module("emulation.test_findings")
    for title, case in tests.CASES.items():
        stem = "finding_" + "_".join(re.findall(r"\w+", title))
        texts = [case.text, *(case.text.replace(old, new) for old, new, *_ in case.wrong)]
        for number, text in enumerate(texts):
            name = f"{stem}_{number}"
            yield name, partial(_case, name, case, text, correct=not number)


def _case(name: str, case: Any, text: str, *, correct: bool) -> Job:
    if case.tasks or case.dialect != "cuda":
        raise LeftOut(f"{'bang' if case.tasks else case.dialect} is not for this device")
    params: list[Param] = []
    inputs: dict[str, np.ndarray] = {}
    for param in case.params:
        if isinstance(param, tuple):
            inputs[param[0]] = param[1]
            params.append(Tensor(param[0], param[1].shape, param[1].dtype.name))
            continue
        params.append(param)
        if isinstance(param, Tensor) and param.intent == "inout":
            inputs[param.name] = np.zeros(param.shape or (), param.dtype)
    launch = Launch(case.grid, case.block, case.shared)
    kernel = Kernel(text, "cuda", "k", tuple(params), launch, filename="kernel.cu")
    outputs = {t.name: inputs_for(kernel)[t.name] for t in kernel.tensors if t.intent == "out"}
    return Job(name, kernel, text, {**inputs, **outputs}, correct)


# ---------------------------------------------------------------- one kernel


def pack(job: Job, folder: Path) -> dict[str, Any]:
    """Runs a kernel in the emulator and writes its folder; returns what `kernel.json` holds.

    Raises `LeftOut` where the emulator cannot run it.
    """
    kernel = job.kernel
    try:
        expected = find_faults(kernel, job.inputs, text=job.text, seconds=SECONDS).findings
        outputs = run_text(kernel, job.inputs, text=job.text).arrays if job.correct else {}
    except XpilerError as error:
        raise LeftOut(f"the emulator does not run it: {error.code} {error.message}") from None
    arrays = {f"in.{tensor.name}": _raw(job.inputs[tensor.name]) for tensor in kernel.tensors}
    for tensor in kernel.tensors if job.correct else ():
        if tensor.written:
            output = outputs[tensor.name].reshape(-1)
            arrays[f"out.{tensor.name}"] = _raw(output)
            if is_float(output.dtype):
                arrays[f"bound.{tensor.name}"] = limits(kernel, tensor, output)
    about = {
        "name": job.name,
        "entry": kernel.entry,
        "correct": job.correct,
        "params": [_param(param) for param in kernel.params or ()],
        **_launch(kernel),
        "expected": [_finding(one) for one in expected],
    }
    launcher = launcher_text(kernel)
    contents = (array.tobytes() for array in arrays.values())
    about["key"] = _key(job.text, launcher, json.dumps(about), *contents)
    folder.mkdir(parents=True)
    (folder / "kernel.cu").write_text(job.text + "\n", encoding="utf-8")
    (folder / "launcher.cu").write_text(launcher, encoding="utf-8")
    (folder / "kernel.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", **arrays)
    return about


def _raw(array: np.ndarray) -> np.ndarray:
    """An array of a type that numpy alone knows: bfloat16 as its bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint16) if flat.dtype.name == "bfloat16" else flat


def limits(kernel: Kernel, tensor: Tensor, output: np.ndarray) -> np.ndarray:
    """The bound of each element of an output of floats, see the module's text."""
    found = bound(output, tensor.dtype, likely_terms(kernel)).astype(np.float32)
    if tensor.intent == "out":
        found[is_unwritten(output)] = -1
    return found


def _param(param: Tensor | Scalar) -> dict[str, Any]:
    if isinstance(param, Scalar):
        return {"name": param.name, "dtype": param.dtype, "value": param.value}
    about = {"size": param.size, "intent": param.intent}
    return {"name": param.name, "dtype": param.dtype, **about}


def _launch(kernel: Kernel) -> dict[str, Any]:
    launch = kernel.launch or Launch()
    grid, block = ((*extents, 1, 1, 1)[:3] for extents in (launch.grid, launch.block))
    return {"grid": grid, "block": block, "shared": launch.shared_bytes}


def _finding(one: Finding) -> dict[str, Any]:
    """A finding as it travels; `variable` is the memory it is about, empty where none."""
    variable = _VARIABLE.search(one.memory)
    line = one.span.line if one.span else 0
    other = one.other.line if one.other else 0
    about = {"variable": variable["name"] if variable else "", "who": one.who}
    return {"kind": one.kind, "message": one.message, "line": line, "other": other, **about}


def _key(*parts: str | bytes) -> str:
    """A name for a kernel with everything that its results depend on."""
    key = hashlib.sha256()
    for part in parts:
        key.update(part.encode() if isinstance(part, str) else part)
    return key.hexdigest()[:20]


def launcher_text(kernel: Kernel) -> str:
    """C++ for `host.h`: the arrays, and the launch with its values."""
    about = _launch(kernel)
    rows, values = [], []
    for param in kernel.params or ():
        if isinstance(param, Tensor):
            values.append(f"arrays[{len(rows)}]")
            size = param.size * numpy_dtype(param.dtype).itemsize
            read, written = (str(x).lower() for x in (param.intent != "out", param.written))
            rows.append(f"      {{{size}, {read}, {written}, nullptr}},  // {param.name}")
        else:
            values.append(f"({_C_TYPES.get(param.dtype, param.dtype + '_t')}){_literal(param)}")
    grid, block = (f"dim3({', '.join(map(str, about[name]))})" for name in ("grid", "block"))
    arguments = ", ".join([str(kernel.entry), grid, block, str(about["shared"]), *values])
    return "\n".join(
        [
            f"// Launches `{kernel.entry}` as the emulator did.",
            '#include "../../host.h"',
            "#include <cstdint>",
            '#include "kernel.cu"',
            "",
            "int main(int argc, char** argv) {",
            "  host::Array arrays[] = {",
            *rows,
            "  };",
            f"  host::start(argc, argv, arrays, {len(rows)});",
            f"  host::launch({arguments});",
            f"  return host::finish(argc, argv, arrays, {len(rows)});",
            "}",
            "",
        ]
    )


def _literal(scalar: Scalar) -> str:
    value = scalar.value
    if value is None:
        raise LeftOut(f"{scalar.name!r} has no value")
    if "float" in scalar.dtype:
        number = float(value)
        if not np.isfinite(number):
            return "NAN" if np.isnan(number) else "INFINITY" if number > 0 else "-INFINITY"
        return number.hex()
    if scalar.dtype == "bool":
        return "true" if value else "false"
    # The least of a signed type is no literal: its magnitude is none.
    return f"{int(value)}ull" if int(value) >= 0 else f"({int(value) + 1}ll - 1)"


# ---------------------------------------------------------------- the pack


def write(folder: Path, chosen: Iterable[tuple[str, Callable[[], Job]]]) -> dict[str, Any]:
    """The pack of the `chosen` jobs at `folder`, made anew: what its manifest says."""
    if folder.exists():
        if not (folder / "manifest.json").exists() and any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty and no pack: choose another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    manifest: dict[str, Any] = {"kernels": [], "left_out": {}}

    def save() -> None:
        text = json.dumps(manifest, indent=1)
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")

    save()
    for name in CARRIED:
        shutil.copy(HERE / name, folder / name)
    for name, make in chosen:
        try:
            about = pack(make(), folder / "kernels" / name)
        except LeftOut as reason:
            manifest["left_out"][name] = str(reason)
            print(f"{name}: left out, {reason}", flush=True)
        else:
            manifest["kernels"].append(name)
            kinds = sorted({one["kind"] for one in about["expected"]})
            print(f"{name}: {', '.join(kinds) or 'no findings'}", flush=True)
        save()
    return manifest
