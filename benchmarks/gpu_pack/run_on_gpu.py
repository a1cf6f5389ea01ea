"""Runs a pack on the GPU of this machine and writes what came out to results.json.

    python run_on_gpu.py                      # compile, run, compare; then compute-sanitizer
    python run_on_gpu.py --compile-only --arch sm_80,sm_90      # needs no GPU
    python run_on_gpu.py --only softmax,layernorm --again

Needs Python 3.10, numpy, and nvcc or NVRTC (which comes with PyTorch). Every kernel is run by a
process of its own. What is done is in results.json at once: a further call goes on where the last
one stopped, by its time limit or otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PACK = Path(__file__).resolve().parent
COMPILE_SECONDS = 180
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
KERNEL_FAILED, MACHINE_FAILED = 3, 4
LOG_CHARACTERS = 3000

# What a tool prints where it finds something, and at its end.
FOUND = {
    "memcheck": re.compile(r"Invalid __\w+__ |Misaligned|Out-of-range|Address .* is out of bounds"),
    "racecheck": re.compile(r"Race reported|Potential \w+ hazard"),
    "initcheck": re.compile(r"Uninitialized .*(?:read|access)"),
    "synccheck": re.compile(r"Barrier error detected"),
}
SUMMARY = re.compile(r"^=+ (?:RACECHECK|ERROR) SUMMARY: .*$", re.MULTILINE)
PLACE = re.compile(r"kernel\.cu:(\d+)")

Record = dict[str, Any]
Step = Callable[[], None]


class Results:
    """results.json: a record for each kernel, written whenever one changes."""

    def __init__(self, path: Path, machine: Record, again: bool) -> None:
        self.path, self.machine = path, machine
        self.kernels: dict[str, Record] = {}
        self._lock = threading.Lock()
        if path.exists() and not again:
            before = json.loads(path.read_text(encoding="utf-8"))
            if before["machine"] == machine:
                self.kernels = before["kernels"]

    def of(self, kernel: Record) -> Record:
        """The record of a kernel; that of an earlier pack is void."""
        with self._lock:
            record = self.kernels.get(kernel["name"])
            if record is None or record["key"] != kernel["key"]:
                about = ("key", "correct", "expected")
                names = [p["name"] for p in kernel["params"] if "size" in p]
                record = {**{name: kernel[name] for name in about}, "arrays": names, "tools": {}}
                self.kernels[kernel["name"]] = record
            return record

    def note(self, action: Step) -> None:
        """Changes a record and writes the file."""
        with self._lock:
            action()
            text = json.dumps({"machine": self.machine, "kernels": self.kernels}, indent=1)
            new = self.path.with_suffix(".new")
            new.write_text(text + "\n", encoding="utf-8")
            os.replace(new, self.path)


# ---------------------------------------------------------------- processes


@dataclass(frozen=True)
class Done:
    """How a process ended: its exit code, or None where its time was over, and what it said."""

    code: int | None
    said: str


def call(command: list[str], folder: Path, seconds: float) -> Done:
    try:
        running = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Done(127, str(error))
    try:
        said, _ = running.communicate(timeout=seconds)
        return Done(running.returncode, said)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, 9)  # the session that was started above, and nothing else
        said, _ = running.communicate()
        return Done(None, said)


def machine(nvcc: str | None, sanitizer: str | None) -> Record:
    """The device, its driver and the tools, as they name themselves."""

    def ask(*command: str) -> str:
        return call(list(command), PACK, 60).said.strip() if shutil.which(command[0]) else ""

    query = "--query-gpu=name,driver_version,compute_cap"
    row = ask("nvidia-smi", query, "--format=csv,noheader", "--id=0").splitlines()
    name, driver, capability = [*(row[0] if row else "").split(", "), "", ""][:3]
    usable = re.fullmatch(r"\d+\.\d+", capability) is not None
    toolkit = re.search(r"release [^\n]*", ask(nvcc, "--version")) if nvcc else None
    about = re.search(r"\d[\w.]*", ask(sanitizer, "--version")) if sanitizer else None
    return {
        "device": name if usable else "",
        "driver": driver if usable else "",
        "arch": f"sm_{capability.replace('.', '')}" if usable else "",
        "compiler": f"nvcc, {toolkit.group(0)}" if toolkit else "" if nvcc else "NVRTC",
        "sanitizer": about.group(0) if about else "",
    }


# ---------------------------------------------------------------- steps


@dataclass(frozen=True)
class Setting:
    """How kernels are compiled and run."""

    nvcc: str | None
    sanitizer: str | None
    archs: tuple[str, ...]
    seconds: float
    tool_seconds: float


def folder_of(kernel: Record) -> Path:
    return PACK / "kernels" / str(kernel["name"])


def compile_kernel(kernel: Record, setting: Setting) -> Record:
    """Whether each architecture's compiler takes the kernel; the last one's program stays."""
    found: Record = {}
    for arch in setting.archs:
        if setting.nvcc:
            flags = ["-std=c++17", "-O2", "-fmad=false", "-lineinfo", f"-arch={arch}"]
            command = [setting.nvcc, *flags, "launcher.cu", "-o", "run"]
        else:
            command = [sys.executable, str(PACK / "nvrtc.py"), "--compile", arch]
        done = call(command, folder_of(kernel), COMPILE_SECONDS)
        if done.code == 0:
            found[arch] = ""
        else:
            lines = done.said.strip().splitlines() or [f"exit code {done.code}"]
            found[arch] = next((line for line in lines if "error" in line), lines[-1])
    return found


def program(setting: Setting) -> list[str]:
    """What runs a kernel in its folder, before the names of the input and the output."""
    return ["./run"] if setting.nvcc else [sys.executable, str(PACK / "nvrtc.py")]


def write_input(kernel: Record) -> None:
    """The arrays one after another, as `host.h` reads them."""
    folder = folder_of(kernel)
    with np.load(folder / "arrays.npz") as arrays, open(folder / "input", "wb") as file:
        for param in kernel["params"]:
            if "size" in param:
                file.write(arrays[f"in.{param['name']}"].tobytes())


def run_values(kernel: Record, setting: Setting) -> Record:
    """What the kernel computes, held against the emulator's outputs."""
    folder = folder_of(kernel)
    done = call([*program(setting), "input", "output"], folder, setting.seconds)
    if done.code is None:
        return {"verdict": "hang", "detail": f"more than {setting.seconds:g} s"}
    if done.code:
        last = (done.said.strip().splitlines() or [f"exit code {done.code}"])[-1]
        verdict = "machine" if done.code == MACHINE_FAILED else "fault"
        return {"verdict": verdict, "detail": last[:500]}
    raw = (folder / "output").read_bytes()
    return compare(kernel, raw)


def compare(kernel: Record, raw: bytes) -> Record:
    """Every output against the emulator's, within its bounds."""
    worst, at = 0.0, 0
    with np.load(folder_of(kernel) / "arrays.npz") as arrays:
        for param in kernel["params"]:
            if "size" not in param:
                continue
            name = param["name"]
            start = arrays[f"in.{name}"]
            found = np.frombuffer(raw, start.dtype, start.size, at)
            at += start.nbytes
            if param["intent"] == "in":
                if found.tobytes() != start.tobytes():
                    return {"verdict": "differs", "detail": f"{name!r}, an input, was written"}
                continue
            expected = arrays[f"out.{name}"]
            bound = arrays.get(f"bound.{name}")
            ratio = differences(expected, found, bound, param["dtype"])
            wrong = np.flatnonzero(ratio > 1)
            if wrong.size:
                first = wrong[0]
                got, wanted = (numbers(a, param["dtype"])[first] for a in (found, expected))
                what = f"{name}[{first}]: emulator {wanted!s}, GPU {got!s}"
                counted = f"{wrong.size} of {ratio.size} elements of {name!r} differ"
                return {"verdict": "differs", "detail": f"{counted}; first {what}"}
            worst = max(worst, float(ratio.max(initial=0.0)))
    return {"verdict": "agrees", "worst": worst}


def numbers(array: np.ndarray, dtype: str) -> np.ndarray:
    """The values of an array; bfloat16 travels as its bits, the upper half of a float's."""
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


def differences(
    expected: np.ndarray, found: np.ndarray, bound: np.ndarray | None, dtype: str
) -> np.ndarray:
    """The error of each element over its bound; infinite where nothing but equal will do."""
    bits = f"u{expected.dtype.itemsize}"
    same = expected.view(bits) == found.view(bits)
    if bound is None:
        return np.where(same, 0.0, np.inf)
    wanted, got = (numbers(array, dtype).astype(np.float64) for array in (expected, found))
    with np.errstate(invalid="ignore"):
        error = np.abs(wanted - got)
        ratio = error / np.where(bound > 0, bound, 1.0)
    ratio[np.isnan(error)] = np.inf
    ratio[(np.isnan(wanted) & np.isnan(got)) | (wanted == got)] = 0.0
    ratio[bound < 0] = np.inf
    ratio[same] = 0.0
    return ratio


def run_tool(kernel: Record, tool: str, setting: Setting) -> Record:
    """How often and in which lines a tool finds a fault, or why it cannot say."""
    options = ["--tool", tool, "--print-limit", "1000"]
    command = [str(setting.sanitizer), *options, *program(setting), "input"]
    done = call(command, folder_of(kernel), setting.tool_seconds)
    found = [line for line in done.said.splitlines() if FOUND[tool].search(line)]
    summary = SUMMARY.findall(done.said)
    record: Record = {"log": done.said[:LOG_CHARACTERS]}
    if not found and (done.code is None or not summary):
        why = f"more than {setting.tool_seconds:g} s" if done.code is None else "no summary"
        return {**record, "verdict": "none", "detail": why}
    lines = sorted({int(number) for number in PLACE.findall(done.said)})
    verdict = "found" if found else "silent"
    return {**record, "verdict": verdict, "count": len(found), "lines": lines}


# ---------------------------------------------------------------- all of it


def steps(kernels: list[Record], results: Results, setting: Setting) -> list[list[Step]]:
    """What is left to do, in rounds: a round begins when the one before it is through."""
    compiling: list[Step] = []
    values: list[Step] = []
    tools: list[Step] = []

    def step(record: Record, name: str, action: Callable[[], Record]) -> Step:
        def act() -> None:
            if name != "compile" and not compiled(record, setting):
                return
            found = action()
            where = record["tools"] if name in TOOLS else record
            results.note(lambda: where.__setitem__(name, found))

        return act

    for kernel in kernels:
        record = results.of(kernel)
        done = record.get("compile", {})
        program_exists = not setting.nvcc or (folder_of(kernel) / "run").exists()
        if not set(setting.archs) <= set(done) or not program_exists:
            compiling.append(step(record, "compile", partial(compile_kernel, kernel, setting)))
        if kernel["correct"] and "values" not in record:
            values.append(step(record, "values", partial(run_values, kernel, setting)))
        for tool in TOOLS if setting.sanitizer else ():
            if tool not in record["tools"]:
                tools.append(step(record, tool, partial(run_tool, kernel, tool, setting)))
    return [compiling, values, tools]


def compiled(record: Record, setting: Setting) -> bool:
    """Whether there is a program of the kernel."""
    return record.get("compile", {}).get(setting.archs[-1]) == ""


def carry_out(rounds: list[list[Step]], jobs: int, deadline: float) -> int:
    """Does what there is time for, and returns how many steps are left."""
    left = [0]

    def within(step: Step) -> None:
        if time.monotonic() < deadline:
            step()
        else:
            left[0] += 1

    for todo in rounds:
        with ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(within, step) for step in todo]:
                done.result()
    return left[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--compile-only", action="store_true", help="run nothing; needs no GPU")
    add("--arch", default="", help="such as sm_90, or several (default: this GPU's)")
    add("--only", default="", help="names of kernels, with commas")
    add("--again", action="store_true", help="forget what is done")
    add("--seconds", type=float, default=480, help="for everything")
    add("--kernel-seconds", type=float, default=30, help="for a run")
    add("--tool-seconds", type=float, default=90, help="for a run under a tool")
    add("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="at a time")
    add("--results", type=Path, default=PACK / "results.json")
    add("--nvcc", default=shutil.which("nvcc"), help="'' for NVRTC")
    add("--sanitizer", default=shutil.which("compute-sanitizer"), help="'' for none")
    options = parser.parse_args()

    deadline = time.monotonic() + options.seconds
    here = machine(options.nvcc or None, options.sanitizer or None)
    archs = tuple(options.arch.split(",")) if options.arch else (here["arch"],)
    if not all(archs) or not (here["device"] or options.compile_only):
        print("no GPU here that nvidia-smi knows; --compile-only --arch sm_90 needs none")
        return 2
    names = json.loads((PACK / "manifest.json").read_text(encoding="utf-8"))["kernels"]
    chosen = set(options.only.split(",")) if options.only else set(names)
    if chosen - set(names):
        parser.error(f"not in this pack: {', '.join(sorted(chosen - set(names)))}")
    kernels = [
        json.loads((PACK / "kernels" / name / "kernel.json").read_text(encoding="utf-8"))
        for name in names
        if name in chosen
    ]
    for kernel in kernels:
        write_input(kernel)
    setting = Setting(
        options.nvcc or None,
        options.sanitizer or None,
        archs,
        options.kernel_seconds,
        options.tool_seconds,
    )
    results = Results(options.results, here, options.again)
    rounds = steps(kernels, results, setting)
    left = carry_out(rounds[:1] if options.compile_only else rounds, options.jobs, deadline)
    tell(results, {kernel["name"] for kernel in kernels})
    print(f"{left} steps are left: call again" if left else f"complete: {options.results}")
    return 1 if left else 0


def tell(results: Results, names: set[str]) -> None:
    """What there is to say in short."""
    records = {name: results.kernels[name] for name in sorted(names)}
    for name, record in records.items():
        for arch, error in record.get("compile", {}).items():
            if error:
                print(f"{name}: refused for {arch}: {error}")
        values = record.get("values", {})
        if values.get("verdict", "agrees") != "agrees":
            print(f"{name}: {values['verdict']}: {values['detail']}")
    taken = sum(not any(record.get("compile", {"": "?"}).values()) for record in records.values())
    agree = sum(record.get("values", {}).get("verdict") == "agrees" for record in records.values())
    tools = sum(len(record["tools"]) for record in records.values())
    print(f"{len(records)} kernels, {taken} compile; {agree} agree; {tools} runs of tools")


if __name__ == "__main__":
    sys.exit(main())
