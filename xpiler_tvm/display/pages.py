"""The pages: which pictures each object has, in which order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xpiler_tvm.errors import XpilerError
from xpiler_tvm.kernel import Tensor

from .code import listing, sides
from .evidence import evidence
from .page import facts, folded, page, part, seconds_text

if TYPE_CHECKING:
    from xpiler_tvm.checking import CheckReport
    from xpiler_tvm.evidence import Check
    from xpiler_tvm.explorer import Explorer
    from xpiler_tvm.kernel import Kernel, Launch, Param
    from xpiler_tvm.lifting import Lifted
    from xpiler_tvm.stepping import Steps
    from xpiler_tvm.translation import Translation
    from xpiler_tvm.tuning.tuner import Tuned


def kernel_page(kernel: Kernel) -> str:
    """Parameters, launch and text of a kernel."""
    rows = {param.name: _param(param) for param in kernel.params or ()}
    if kernel.launch:
        rows["launch"] = _launch(kernel.launch)
    title = f"{kernel.entry or 'kernel'} ({kernel.dialect})"
    text = folded("source", listing(kernel.source), opened=len(kernel.source) < 4000)
    return page(title, facts(rows), text, about=kernel.filename)


def lifted_page(lifted: Lifted) -> str:
    """The form of a lifted kernel: its loop nest beside its source, and the evidence."""
    from xpiler_tvm.report import remarks

    from .loops import loop_tree

    said = remarks({"rung": lifted.rung, "notes": lifted.notes, "assumptions": lifted.assumptions})
    return page(
        f"{lifted.kernel.entry}, lifted",
        loop_tree(lifted.mod),
        folded("evidence", evidence(lifted.evidence, said), opened=True),
        folded("source and TensorIR", sides(lifted, _script(lifted), "TensorIR")),
        about=f"{Path(lifted.kernel.filename).name}: {lifted.rung}",
    )


def translation_page(translation: Translation) -> str:
    """Both texts, the evidence, the schedule step by step, and pictures of the result."""
    from xpiler_tvm.report import remarks

    from .loops import loop_tree
    from .memory import memory_plan
    from .player import player
    from .roofline import roofline

    lifted, target = translation.lifted, translation.target
    parts = [
        sides(lifted, translation.source, target),
        folded(
            "evidence", evidence(translation.evidence, remarks(translation.report)), opened=True
        ),
    ]
    try:
        parts.append(folded("schedule, step by step", player(translation.steps)))
    except XpilerError as error:
        parts.append(part("plain.html", text=f"schedule, step by step: {error.message}"))
    parts.append(folded("loops", loop_tree(translation.mod)))
    plan = memory_plan(translation)
    if plan is not None:
        parts.append(folded("memory plan", plan))
    roof = roofline(translation.mod, target)
    if roof is not None:
        parts.append(folded("roofline", roof))
    return page(
        f"{lifted.kernel.entry} → {target}",
        *parts,
        about=f"{translation.rung}, scheduled by {translation.rule}; runs on {translation.runs_on}",
    )


def report_page(report: CheckReport) -> str:
    """Findings with their places, and the checks."""
    verdict = "no finding, no difference" if report.ok else "something is wrong"
    return page(
        report.title,
        part("findings.html", findings=report.findings),
        evidence(report.checks, report.notes),
        about=verdict,
    )


def check_page(check: Check) -> str:
    """One check as a table of one row."""
    return page(check.name, evidence([check]))


def steps_page(steps: Steps) -> str:
    """The player."""
    from .player import player

    return page(f"{len(steps)} steps", player(steps))


def explorer_page(explorer: Explorer) -> str:
    """The steps so far, the loops, and what can be done next."""
    from .loops import loop_tree
    from .player import player

    return page(
        f"{explorer.lifted.kernel.entry} for {explorer.target}, explored",
        player(explorer.steps),
        folded("loops", loop_tree(explorer.mod), opened=True),
        folded("legal now", listing("\n".join(explorer.legal()))),
        about="see `legal`, `undo`, `compare`, `save`",
    )


def tuned_page(tuned: Tuned) -> str:
    """The curve of a search, and what came of it."""
    from .curve import curve

    rows = {
        "best": f"{seconds_text(tuned.seconds)}, {tuned.kind}",
        "the rules' own": seconds_text(tuned.rule_seconds),
        "times as fast": f"{tuned.speedup:.2f}",
        "rule": tuned.rule,
        "trials": f"{tuned.trials}, of which {tuned.failures} failed",
        "ended": "before its budget" if tuned.interrupted else "",
    }
    picture = curve(tuned.curve, tuned.rule_seconds, tuned.kind)
    return page(f"Tuned for {tuned.target}", picture, facts(rows))


def _script(lifted: Lifted) -> str:
    return str(lifted.mod["main"].script(show_meta=False))


def _param(param: Param) -> str:
    if isinstance(param, Tensor):
        shape = "?" if param.shape is None else ", ".join(map(str, param.shape))
        return f"{param.dtype}[{shape}], {param.intent}"
    value = param.equals or ("symbolic" if param.value is None else param.value)
    return f"{param.dtype} = {value}"


def _launch(launch: Launch) -> str:
    if launch.tasks:
        return f"{launch.tasks} tasks, {launch.kind}"
    return f"grid {launch.grid}, block {launch.block}"
