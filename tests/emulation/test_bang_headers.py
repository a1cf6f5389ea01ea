"""BANG C's translation units, as another compiler reads them."""

from __future__ import annotations

import pytest
from clang import cindex

from xpiler_tvm.dialects.bang import ARCHS, Mode
from xpiler_tvm.emulation.compiler import HERE
from xpiler_tvm.emulation.source import translation_unit

from .test_bang_rules import MEMORIES, RULES, whole

CALLS = "\n".join(f"{whole(rule[2])}" for rule in RULES)
TEXT = f"""#define PASTE(name) __bang_##name
__nram__ float a[8192], b[8192], c[8192], d[8192]; __wram__ float w[16384];
{MEMORIES}
__mlu_global__ void k(float* y) {{
  {CALLS}
  PASTE(relu)(a, b, 64);
}}"""


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_libclang_finds_no_fault(arch: str, mode: Mode) -> None:
    """Every operation is defined here, for the text pastes names together."""
    unit = translation_unit(TEXT, TEXT, "bang", "k", arch=arch, mode=mode)
    lines = [line for line in unit.splitlines() if not line.startswith("#include <")]
    parsed = cindex.Index.create().parse(
        "kernel.cc",
        args=["-x", "c++", "-std=c++17", "-nostdinc", f"-I{HERE}"],
        unsaved_files=[("kernel.cc", "\n".join(lines))],
    )
    assert [str(one) for one in parsed.diagnostics if one.severity >= cindex.Diagnostic.Error] == []


def test_a_text_brings_only_what_it_mentions() -> None:
    small = "__nram__ float a[8]; __mlu_global__ void k(float* y) { __bang_relu(a, a, 8); }"
    unit = translation_unit(small, small, "bang", "k")
    assert "void __bang_relu(" in unit
    assert "__bang_relun" not in unit
    assert "__bang_matmul" not in unit
