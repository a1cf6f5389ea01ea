"""docs/dialects.md says what the readers do: each row of its tables is a kernel that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpiler_tvm import Kernel, Launch, Scalar, Tensor, XpilerError, frontends

from .constructs import ASSUMED, DIALECTS, SECTIONS, Construct

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
PARAMS = (
    Tensor("x", (64,), "float32"),
    Tensor("n", (64,), "int32"),
    Tensor("y", (64,), "float32", "inout"),
    Scalar("count", "int32"),
)
HEAD = "const float* x, const int* n, float* y, int count"
SHELLS = {
    "cuda": ("__device__", "__global__ void", "int t = threadIdx.x; {}"),
    "hip": ("__device__", "__global__ void", "int t = threadIdx.x; {}"),
    "bang": ("__mlu_func__", "__mlu_entry__ void", "for (int t = 0; t < 64; t++) {{ {} }}"),
    "vnni": ("inline", "void", "for (int t = 0; t < 64; t++) {{ {} }}"),
}
ROWS = [
    pytest.param(construct, dialect, id=f"{dialect}-{construct.name}")
    for constructs in SECTIONS.values()
    for construct in constructs
    for dialect in DIALECTS
    if dialect in construct.snippets
]


def kernel(construct: Construct, dialect: str) -> Kernel:
    function, entry, body = SHELLS[dialect]
    declarations, _, statements = construct.snippets[dialect].rpartition("===")
    text = f"{declarations}\n{entry} k({HEAD}) {{ {body.format(statements)} }}\n"
    launch = Launch((1,), (64,), 512) if dialect in ("cuda", "hip") else Launch(tasks=(1,))
    if "__sync_cluster" in text:
        launch = Launch(tasks=(4,), kind="union1")
    text = text.replace("DEV", function)
    return Kernel(text, dialect, "k", PARAMS, None if dialect == "vnni" else launch)


@pytest.mark.parametrize(("construct", "dialect"), ROWS)
def test_constructs(construct: Construct, dialect: str) -> None:
    verdict = construct.verdict_in(dialect)
    if verdict.startswith("XP"):
        with pytest.raises(XpilerError) as refusal:
            frontends.read(frontends.resolve(kernel(construct, dialect)))
        assert refusal.value.code == verdict
        assert refusal.value.span is not None
        return
    reading = frontends.read(frontends.resolve(kernel(construct, dialect)))
    assumption = verdict.removeprefix("read").removeprefix(": ")
    said = [*reading.program.assumptions]
    said += [f"elements of {name!r} lie between" for name in reading.value_ranges]
    assert not assumption or any(assumption in one for one in said)


def test_the_page(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


INTRODUCTION = """\
# What the frontends read

A kernel is read as a whole or refused as a whole, with a code ([errors](errors.md)), the place and
what to do. **read**: its flat program equals the emulated source, and is held against it on every
lift. **read, assuming …**: the reading rests on more than the source says; the assumption stands in
`lifted.assumptions` and in the report. A code means refused. "–": the dialect has no such thing.

All readings assume that pointer parameters do not overlap, that signed arithmetic does not
overflow, and that threads do not race between two barriers (a checked run of the source looks for
such races). This page is made by `tests/frontends/test_constructs.py`, where each row is a kernel.
"""


def page() -> str:
    lines = [INTRODUCTION]
    for title, constructs in SECTIONS.items():
        lines += [f"## {title}", "", "| construct | CUDA | HIP | BANG C | C, AVX512-VNNI |"]
        lines.append("|---|---|---|---|---|")
        for construct in constructs:
            cells = (_cell(construct.verdict_in(dialect)) for dialect in DIALECTS)
            lines.append(f"| {construct.name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(verdict: str) -> str:
    if not verdict:
        return "–"
    if verdict.startswith("read: "):
        return f"read, assuming {ASSUMED[verdict.removeprefix('read: ')]}"
    return verdict
