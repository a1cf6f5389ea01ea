"""The first comment of an emitted file."""

from __future__ import annotations

from tvm import s_tir

from codegen import programs
from xpiler_tvm.codegen.header import WIDTH, steps, with_header
from xpiler_tvm.evidence import Check


def schedule() -> s_tir.Schedule:
    sch = s_tir.Schedule(programs.add(1000).mod)
    (loop,) = sch.get_loops("z")
    outer, inner = sch.split(loop, [None, 128])
    sch.bind(outer, "blockIdx.x")
    sch.bind(inner, "threadIdx.x")
    return sch


def test_steps_have_the_names_of_the_program() -> None:
    first, *rest = steps(schedule())
    assert first.startswith("split(loop, [None, 128]) -> ")
    outer, inner = first.rpartition("-> ")[2].split(", ")
    assert rest == [f"bind({outer}, blockIdx.x)", f"bind({inner}, threadIdx.x)"]
    assert {outer, inner} == {str(loop.loop_var.name) for loop in loops(schedule())}


def loops(sch: s_tir.Schedule) -> list[object]:
    return [sch.get(loop) for loop in sch.get_loops("z")]


def test_all_that_is_known_stands_in_front() -> None:
    text = "// HIP, generated.\n// Launch: one.\n\n#include <a.h>\n"
    evidence = [Check("flat = source", "tested"), Check("in bounds", "proved")]
    found = with_header(text, schedule(), ["n is 4", "arrays  do not\noverlap"], evidence)
    head, _, rest = found.partition("\n\n")
    assert rest == "#include <a.h>\n"
    lines = head.splitlines()
    assert lines[:2] == ["// HIP, generated.", "// Launch: one."]
    assert lines[2].startswith("//   split(")
    assert lines[-2] == "// Assumes: n is 4; arrays do not overlap."
    assert lines[-1] == "// Checked: flat = source: tested; in bounds: proved."


def test_lines_are_not_long() -> None:
    evidence = [Check(f"form {number} = source", "tested") for number in range(40)]
    found = with_header("// C.\n\nint x;\n", schedule(), [], evidence)
    assert all(len(line) <= WIDTH and line.startswith("//") for line in found.splitlines()[:-2])


def test_a_text_without_a_comment_stays() -> None:
    assert with_header(".text\n\n.globl f\n", schedule(), ["n is 4"], []) == ".text\n\n.globl f\n"
