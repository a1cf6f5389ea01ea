"""Schedules made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import xpiler_tvm as xt

from .support import Page, lifted, translation


def explorer() -> xt.Explorer:
    return xt.Explorer(lifted(), "hip")


def block_of_y(explore: xt.Explorer) -> str:
    return explore.blocks[-1]


def test_completions_are_what_is_legal() -> None:
    explore = explorer()
    assert {"split", "fuse", "bind", "legal", "undo"} <= set(dir(explore))
    assert "decompose_reduction" in dir(explore)
    y = block_of_y(explore)
    outer, inner = (name for name in explore.loops if name.startswith(f"{y}."))
    assert f"fuse({outer!r}, {inner!r})" in explore.legal("fuse")
    assert f"bind({outer!r}, 'blockIdx.x')" in explore.legal("bind")
    for name in explore.loops:
        explore.bind(name, "threadIdx.x" if name.endswith(("1", "k")) else "blockIdx.x")
    assert "bind" not in dir(explore)


def test_a_step_can_be_taken_back() -> None:
    explore = explorer()
    before, loop = explore.mod, explore.loops[-1]
    explore.split(loop, [None, 8])
    assert len(explore.steps) == 1 and f"{loop}_0" in explore.loops
    explore.undo(3)
    assert explore.mod.script() == before.script() and len(explore.steps) == 0


def test_what_tvm_refuses_changes_nothing() -> None:
    explore = explorer()
    for call in (
        lambda: explore.vectorize("nothing"),
        lambda: explore.split(explore.loops[-1], [3, 4]),
        lambda: explore.compute_inline(block_of_y(explore)),
    ):
        with pytest.raises(xt.ScheduleError) as error:
            call()
        assert error.value.code == "XP3002"
    assert len(explore.steps) == 0
    with pytest.raises(AttributeError, match="no primitive"):
        explore.work_on("main")


def test_a_saved_schedule_makes_the_translation(tmp_path: Path) -> None:
    made = translation("hip")
    explore = explorer()
    # The explorer starts where the rules started: their own schedule is one that could be made.
    path = tmp_path / "trace.json"
    for block in explore.blocks:
        loops = [name for name in explore.loops if name.startswith(f"{block}.")]
        if len(loops) > 1 and "reduce" not in block:
            explore.bind(loops[0], "blockIdx.x")
    explore.save(path)
    assert json.loads(path.read_text())["target"] == "hip"
    compared = explore.compare()
    assert compared.rules[2] >= compared.explored[2] >= 16 and "roof" in str(compared)
    with pytest.raises(xt.ScheduleError) as error:
        # Several kernels, one for each block: the target takes only one.
        xt.transcompile(lifted(), "hip", schedule=path)
    assert error.value.code == "XP3001"
    again = xt.transcompile(lifted(), "hip", schedule=made.schedule)
    assert again.rule == "given"
    assert again.source.split("#include")[1] == made.source.split("#include")[1]


def test_the_page_has_steps_and_what_is_legal() -> None:
    explore = explorer()
    explore.split(explore.loops[-1], [None, 8])
    page = Page(explore._repr_html_())
    assert "split(" in page.text and "legal now" in page.text
