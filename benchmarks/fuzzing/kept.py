"""Found cases as files: a kernel, and in its first lines what it is run on and what it showed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from xpiler_tvm.kernel import SUFFIXES, Kernel, Launch, Param, Scalar, Tensor

from .judging import Verdict
from .kernels import Program

_MARK = "// fuzz: "


def keep(folder: Path, program: Program, name: str, verdict: Verdict) -> Path:
    """Writes a program to a file of its own in the folder."""
    kernel = program.kernel
    launch = kernel.launch
    facts: dict[str, object] = {
        "params": [
            [p.name, p.dtype, list(p.shape or ()), p.intent] if isinstance(p, Tensor)
            else [p.name, p.dtype, p.value]
            for p in kernel.params or ()
        ],
        "launch": {} if launch is None else
        {"grid": launch.grid, "block": launch.block, "tasks": launch.tasks, "kind": launch.kind},
    }  # fmt: skip
    inputs = {
        name: array.tolist() for name, array in program.arrays.items()
        if any(p.name == name and not p.written for p in kernel.tensors)
    }  # fmt: skip
    facts["inputs"] = inputs
    path = folder / f"{name.replace('-', '_')}.{kernel.filename.rsplit('.', 1)[-1]}"
    reason = verdict.reason.splitlines()[0][:90]
    path.write_text(f"// {verdict.outcome}: {reason}\n{_MARK}{json.dumps(facts)}\n{kernel.source}")
    return path


def load(path: Path) -> Program:
    """The program of a file."""
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith(_MARK))
    facts = json.loads(line.removeprefix(_MARK))
    params: list[Param] = []
    for given in facts["params"]:
        if len(given) == 4:
            params.append(Tensor(given[0], tuple(given[2]), given[1], given[3]))
        else:
            params.append(Scalar(*given))
    how = facts["launch"]
    launch = Launch(**{key: tuple(value) if isinstance(value, list) else value
                       for key, value in how.items()}) if how else None  # fmt: skip
    kernel = Kernel(text, SUFFIXES[path.suffix], "k", tuple(params), launch, filename=path.name)
    arrays = {
        tensor.name: np.array(facts["inputs"].get(tensor.name, np.zeros(tensor.shape)))
        .astype(tensor.dtype)
        for tensor in kernel.tensors
    }  # fmt: skip
    return Program(kernel, arrays)
