"""Writes a folder with emitted CUDA and what is needed to time it where a GPU is.

    python benchmarks/gpu_bundle.py -o build/gpu_bundle             # here
    python build/gpu_bundle/gpu_run.py                              # there, see its own text

The corpus's CUDA kernels are read at the grid's largest shapes and at some that fill a large GPU,
scheduled and emitted anew. At these sizes nothing is run here: what a kernel computes was checked
by `transcompile` at smaller ones, and is compared with PyTorch there. Needs no GPU.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpus

from xpiler_tvm import frontends, schedules, targets
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.kernel import Kernel, Tensor

HERE = Path(__file__).parent

LARGE: Mapping[str, Mapping[str, int]] = {
    "add": {"N": 1 << 26},
    "relu": {"N": 1 << 26},
    "gelu": {"N": 1 << 26},
    "sigmoid": {"N": 1 << 26},
    "softmax": {"ROWS": 8192, "COLS": 4096},
    "layernorm": {"B": 8, "S": 2048, "D": 4096},
    "rmsnorm": {"ROWS": 8192, "D": 8192},
    "sum": {"OUTER": 8192, "AXIS": 4096, "INNER": 1},
    "transpose": {"D0": 1, "D1": 8192, "D2": 8192, "D3": 1},
    "gemv": {"M": 16384, "N": 8192},
    "gemm": {"M": 4096, "K": 4096, "N": 4096},
    "bmm": {"BATCH": 32, "M": 1024, "K": 1024, "N": 1024},
    "conv2d": {"N": 32, "H": 58, "W": 58, "CI": 64, "CO": 64, "KH": 3, "KW": 3, "STRIDE": 1},
}
"""Shapes at which an operator's speed is that of the device, not of a launch."""


def cases(operators: set[str]) -> Iterable[corpus.Case]:
    """The first CUDA kernel of every operator, at the grid's largest shape and at a large one."""
    seen: set[str] = set()
    for entry in corpus.entries("cuda", operators=operators, full=True):
        if entry.operator in seen:
            continue
        seen.add(entry.operator)
        found = [entry.at(name) for name in entry.shapes]
        yield max(found, key=lambda case: sum(tensor.size for tensor in case.kernel.tensors))
        if entry.operator in LARGE:
            yield replace(entry, shapes={"large": LARGE[entry.operator]}).at("large")


def emit(case: corpus.Case) -> tuple[Kernel, str]:
    """The emitted kernel of a case and the rule that scheduled it."""
    resolved = frontends.resolve(case.kernel)
    reading = frontends.read(resolved)
    raised = raise_program(reading.program)
    scheduled = schedules.apply(raised.mod, "cuda")
    emitted = targets.get("cuda").emit(scheduled.mod, reading.kernel.free_standing())
    assert emitted.kernel is not None
    return emitted.kernel, scheduled.rule


def record(case: corpus.Case, kernel: Kernel, rule: str) -> dict[str, Any]:
    """What `gpu_run.py` has to know of a kernel."""
    assert kernel.launch is not None
    params: list[dict[str, Any]] = []
    for param in kernel.params or ():
        if isinstance(param, Tensor):
            about = {"size": param.size, "intent": param.intent}
        else:
            about = {"value": param.value}
        params.append({"name": param.name, "dtype": param.dtype, **about})
    return {
        "operator": case.entry.operator,
        "shape": {**case.entry.means.extents(case.shape)},
        "entry": kernel.entry,
        "rule": rule,
        "params": params,
        "grid": list(kernel.launch.grid),
        "block": list(kernel.launch.block),
        "shared": kernel.launch.shared_bytes,
        "floats": {one.name: list(one.floats) for one in case.entry.means.operands},
        "ranges": {
            one.name: [int(corpus.value(each, case.shape)) for each in one.integers]
            for one in case.entry.means.operands
            if one.integers
        },
    }


def write(folder: Path, chosen: Iterable[corpus.Case]) -> tuple[int, list[str]]:
    """Writes sources, manifest and the script that runs them; gives how many, and the misses."""
    folder.mkdir(parents=True, exist_ok=True)
    kernels: dict[str, Any] = {}
    misses: list[str] = []
    for case in chosen:
        name = re.sub(r"\W+", "_", f"{case.entry.operator}_{case.shape_name}").strip("_")
        try:
            kernel, rule = emit(case)
            kernels[name] = record(case, kernel, rule)
        except (XpilerError, corpus.CorpusError) as error:
            misses.append(f"{case}: {str(error).splitlines()[0]}")
            continue
        (folder / f"{name}.cu").write_text(kernel.source, encoding="utf-8")
    manifest = {"arch": targets.get("cuda").compiler.arch, "kernels": kernels}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    shutil.copy(HERE / "gpu_run.py", folder / "gpu_run.py")
    shutil.copy(HERE / "gpu_pack" / "nvrtc.py", folder / "nvrtc.py")
    return len(kernels), misses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu_bundle"))
    parser.add_argument("--operators", default="", help="names, with commas; all without")
    options = parser.parse_args()
    count, misses = write(options.output, cases(set(filter(None, options.operators.split(",")))))
    print(f"{count} kernels in {options.output}")
    for miss in misses:
        print(f"left out {miss}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
