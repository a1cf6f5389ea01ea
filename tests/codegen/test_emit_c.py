"""C with AVX-512 intrinsics: printed, compared with golden files, compiled, run and read back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tvm
from tvm import s_tir

from codegen import programs
from codegen.golden import check_golden
from codegen.running import check_values
from xpiler_tvm.codegen.c_vnni import emit_c
from xpiler_tvm.codegen.vnni import cpu_target
from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Tensor


def emitted(program: programs.Program, sch: s_tir.Schedule) -> Kernel:
    return emit_c(sch.mod, program.kernel, cpu_target())[1]


def vectorised(mod: tvm.IRModule, lanes: int = 32) -> s_tir.Schedule:
    """The innermost loop of the last stage in vectors."""
    sch = s_tir.Schedule(mod)
    *_, last = sch.get_child_blocks(sch.get_sblock("root"))
    _, inner = sch.split(sch.get_loops(last)[-1], [None, lanes])
    sch.vectorize(inner)
    return sch


def script(body: str) -> s_tir.Schedule:
    text = f"@T.prim_func(s_tir=True)\ndef main({body}"
    func = tvm.script.from_source(text).with_attr("global_symbol", "main")
    return s_tir.Schedule(tvm.IRModule({"main": func}))


@pytest.mark.parametrize(
    "make",
    [programs.add, programs.gemm_int8, programs.softmax, programs.stencil, programs.opaque],
    ids=lambda make: make().name,
)
def test_plain_loops(make, request, tmp_path: Path) -> None:
    program = make()
    kernel = emitted(program, s_tir.Schedule(program.mod))
    check_golden(request, f"{program.name}.c", kernel.source)
    check_values(kernel, program, 1e-5)
    file = tmp_path / "kernel.c"
    file.write_text(kernel.source)
    command = ["g++", "-O2", "-march=cascadelake", "-fopenmp", "-Wall", "-Werror", "-c"]
    subprocess.run([*command, "-o", "/dev/null", str(file)], check=True)


def test_vectors_of_one_register(request) -> None:
    program = programs.add(1024)
    kernel = emitted(program, vectorised(program.mod))
    assert kernel.source.count("_mm512_add_ps") == 2, "two registers of sixteen"
    check_golden(request, "add_vectors.c", kernel.source)
    check_values(kernel, program, 0)


def test_lanes_are_chosen_compared_and_converted() -> None:
    sch = script("""x: T.Buffer((64,), "float32"), b: T.Buffer((64,), "int8"),
         y: T.Buffer((64,), "float32")):
    for i in T.vectorized(64):
        with T.sblock("y"):
            v = T.axis.spatial(64, i)
            y[v] = T.Select(x[v] > T.float32(0), T.sqrt(x[v]), T.Cast("float32", b[v]) * x[v])
""")
    params = (Tensor("x", (64,)), Tensor("b", (64,), "int8"), Tensor("y", (64,), intent="out"))
    text, _ = emit_c(sch.mod, Kernel("", "cuda", "f", params), cpu_target())
    for name in ("cmp_ps_mask", "mask_blend_ps", "sqrt_ps", "cvtepi32_ps", "cvtepi8_epi32"):
        assert text.count(f"_mm512_{name}(") == 4


def test_what_has_no_register_stays_a_loop() -> None:
    program = programs.gelu(128)
    kernel = emitted(program, vectorised(program.mod))
    assert "_mm512" not in kernel.source and "#pragma omp simd" in kernel.source
    check_values(kernel, program, 1e-5)


def test_a_reduction_is_not_said_to_be_independent() -> None:
    program = programs.row_sum()
    kernel = emitted(program, s_tir.Schedule(program.mod))
    assert "omp simd" not in kernel.source
    check_values(kernel, program, 1e-5)


def test_large_arrays_live_on_the_heap() -> None:
    program = programs.softmax(70, 1000)
    kernel = emitted(program, s_tir.Schedule(program.mod))
    assert kernel.source.count("aligned_alloc(64, ") == kernel.source.count("free(") == 1
    check_values(kernel, program, 1e-5)


def test_halves_are_rounded_at_each_step() -> None:
    program = programs.add(dtype="float16")
    kernel = emitted(program, s_tir.Schedule(program.mod))
    assert "const _Float16* __restrict__ x" in kernel.source
    check_values(kernel, program, 0.0)


def test_bfloat16_is_refused() -> None:
    program = programs.add(dtype="bfloat16")
    with pytest.raises(EmitError) as caught:
        emitted(program, s_tir.Schedule(program.mod))
    assert caught.value.code == "XP4001"
