"""Found cases as files: a kernel, and in its first lines what it showed and how it is run."""

from __future__ import annotations

import json
from pathlib import Path

from xpiler_tvm.kernel import SUFFIXES, Kernel, Launch, Param, Scalar, Tensor

from .judging import Verdict
from .kernels import Program

_MARK = "// run: "


def keep(folder: Path, program: Program, name: str, verdict: Verdict) -> Path:
    """Writes a program to a file of its own in the folder."""
    kernel, facts = program.kernel, {"seed": program.seed}
    facts["params"] = [_given(param) for param in kernel.params or ()]
    launch = kernel.launch
    if launch is not None:
        facts |= {"tasks": launch.tasks} if launch.tasks else {
            "grid": launch.grid, "block": launch.block}  # fmt: skip
    path = folder / f"{name.replace('-', '_')}.{kernel.filename.rsplit('.', 1)[-1]}"
    reason = verdict.reason.splitlines()[0][:80]
    path.write_text(f"// {verdict.outcome}: {reason}\n{_MARK}{json.dumps(facts)}\n{kernel.source}")
    return path


def _given(param: Param) -> list[object]:
    """`[name, dtype, elements, intent]` of a tensor, `[name, dtype, value]` of a scalar."""
    if isinstance(param, Scalar):
        return [param.name, param.dtype, param.value]
    return [param.name, param.dtype, param.size, param.intent]


def load(path: Path) -> Program:
    """The program of a file."""
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith(_MARK))
    facts = json.loads(line.removeprefix(_MARK))
    params: list[Param] = []
    for name, dtype, number, *intent in facts["params"]:
        if intent:
            params.append(Tensor(name, (number,), dtype, intent[0]))
        else:
            params.append(Scalar(name, dtype, number))
    how = {key: tuple(facts[key]) for key in ("grid", "block", "tasks") if key in facts}
    launch = Launch(**how) if how else None
    kernel = Kernel(text, SUFFIXES[path.suffix], "k", tuple(params), launch, filename=path.name)
    return Program(kernel, facts.get("seed", 0))
