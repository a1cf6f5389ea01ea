"""What notebooks show: well-formed, escaped, with what it is meant to say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import xpiler_tvm as xt
from xpiler_tvm.dialects.peaks import PEAKS
from xpiler_tvm.display.code import linked, sides
from xpiler_tvm.display.memory import memory_plan
from xpiler_tvm.display.nest import Array, Block, Loop, nest_of, work_of

from .support import ROWS, Page, lifted, translation


def pages() -> dict[str, str]:
    made = translation("hip")
    found = xt.CheckReport((lifted().kernel,), (), made.evidence)
    return {
        "kernel": lifted().kernel._repr_html_(),
        "lifted": lifted()._repr_html_(),
        "translation": made._repr_html_(),
        "check": made.evidence[0]._repr_html_(),
        "report": found._repr_html_(),
        "steps": made.steps._repr_html_(),
    }


def test_pages_are_well_formed_and_escaped() -> None:
    for name, text in pages().items():
        page = Page(text)
        assert page.count("script") == 0, name
        assert "prefers-color-scheme: dark" in text, name
    assert 'alert("x & y")' in Page(pages()["kernel"]).text


def test_a_translation_shows_all_its_pictures() -> None:
    page = Page(translation("hip")._repr_html_())
    for title in ("evidence", "schedule, step by step", "loops", "memory plan", "roofline"):
        assert title in page.text
    assert page.count("svg") == 2
    assert page.count("label") == len(translation("hip").steps) + 1
    assert "emitted hip = source" in page.text and "tested" in page.text


def test_lines_are_linked_by_the_arrays_they_work_on() -> None:
    made = translation("hip")
    page = Page(str(sides(lifted(), made.source, "hip")))
    chips = [about["data-g"] for _, about in page.tags if about.get("class") == "chip"]
    rows = [about for _, about in page.tags if about.get("class") == "row"]
    groups = {group for about in rows for group in (about.get("data-g") or "").split()}
    assert set(chips) == groups
    # `y[…] = x[…] / total` is the last line of the source that works on arrays.
    source = [about for about in rows[: len(ROWS.splitlines())] if about.get("data-g")]
    assert len(source[-1]["data-g"].split()) >= 2


def test_parameters_of_helpers_are_no_arrays() -> None:
    text = "float helper(float x) {\n  return x;\n}\nvoid rows(const float* x) {\n  use(x[0]);\n}\n"
    source, target = linked(lifted(), text)
    assert [one.number for one in target if one.arrays] == [4, 5]
    assert source[0].text.startswith("// <script>"), "what stands right above the kernel is shown"


def test_a_plain_text_stands_in_for_the_page() -> None:
    assert repr(lifted()) == "<rows of <source>, lifted: blocks>"
    assert re.fullmatch(r"<rows for hip: blocks, scheduled by gpu\.\w+>", repr(translation("hip")))
    assert str(translation("hip").steps).count("\n") == len(translation("hip").steps) - 1


def test_steps_lead_from_the_lift_to_the_schedule() -> None:
    for target in ("hip", "bang", "vnni"):
        made = translation(target)
        assert made.steps[-1].mod["main"].script() == made.schedule.mod["main"].script()
        assert made.steps[0].primitive and "thread" not in made.steps.start.script()


def test_the_nest_has_loops_blocks_and_arrays() -> None:
    def flat(nodes: tuple) -> list:
        return [one for node in nodes for one in (node, *flat(getattr(node, "children", ())))]

    found = flat(nest_of(translation("bang").mod))
    assert any(isinstance(one, Loop) and one.kind == "blockIdx.x" for one in found)
    assert any(isinstance(one, Array) and one.scope == "local.nram" and one.bytes for one in found)
    assert any(isinstance(one, Block) and "y" in one.writes for one in found)


def test_work_is_counted() -> None:
    work = work_of(lifted().mod, PEAKS["hip"])
    # 16 rows of 32: a sum, a quotient.
    assert work.operations == 2 * 16 * 32
    assert work.parameters == 2 * 4 * 16 * 32
    assert work.parallel == 1
    assert work.seconds is not None
    scheduled = work_of(translation("hip").mod, PEAKS["hip"])
    assert scheduled.parallel > 16 and scheduled.seconds < work.seconds


def test_the_memory_plan_is_what_the_text_declares() -> None:
    made = replace(
        translation("bang"),
        source="__nram__ float a[96];\n__wram__ half b[2][64];\n__nram__ int8_t c[128];\n",
    )
    page = Page(str(memory_plan(made)))
    assert "NRAM: 512 B of" in page.text and "WRAM: 256 B of" in page.text
    assert [about["data-g"] for _, about in page.tags if "data-g" in about] == []
    assert memory_plan(replace(made, source="int main() {}")) is None


def test_a_search_shows_its_curve() -> None:
    from xpiler_tvm.tuning.tuner import Tuned

    curve = (float("inf"), 4e-6, 4e-6, 1e-6)
    page = Page(Tuned("hip", "gpu.rows", (), 1e-6, 2e-6, "modelled", 4, 1, curve)._repr_html_())
    line = next(about["points"] for tag, about in page.tags if tag == "polyline")
    assert len((line or "").split()) == 6  # two points a trial, from the second on
    assert "4 trials" in page.text and "2.00" in page.text and "modelled" in page.text


def test_no_file_is_read_as_a_schedule(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "no.json"
    path.write_text("{}")
    with pytest.raises(xt.ScheduleError) as error:
        xt.transcompile(lifted(), "hip", schedule=str(path))
    assert error.value.code == "XP3002"
