"""Products on the matrix unit: which, through which memories, and what they compute."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from codegen.golden import check_golden
from codegen.programs import Program, _program, _tensor
from codegen.running import check_values, device_part
from tvm import te, tirx

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults
from xpiler_tvm.errors import EmitError
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.bang_products import Matrix, Tile
from xpiler_tvm.schedules.base import Declined, first_applicable
from xpiler_tvm.targets.device import kernel_of


def product(
    m: int,
    n: int,
    k: int,
    dtype: str = "float16",
    total: str = "float32",
    *,
    columns: bool = False,
    bias: bool = False,
    left: str = "",
) -> Program:
    """`C = A @ B`, or `max(A @ B + bias, 0)`; with `columns` B is stored column by column.

    A is of the type `left`, where it is not B's.
    """
    a = te.placeholder((m, k), left or dtype, "A")
    b = te.placeholder((n, k) if columns else (k, n), dtype, "B")
    r = te.reduce_axis((0, k), "r")

    def term(i: tirx.Var, j: tirx.Var) -> tvm.ir.Expr:
        right = b(j, r) if columns else b(r, j)
        return a(i, r).astype(total) * right.astype(total)

    c = te.compute((m, n), lambda i, j: te.sum(term(i, j), axis=r), name="C")
    args = [a, b]
    params = [
        _tensor("A", (m, k), dtype=left or dtype),
        _tensor("B", (b.shape[0].value, b.shape[1].value), dtype=dtype),
    ]
    if bias:
        row = te.placeholder((n,), total, "bias")
        zero = tirx.const(0, total)
        c = te.compute((m, n), lambda i, j: tirx.max(c(i, j) + row(j), zero), name="D")
        args.append(row)
        params.append(_tensor("bias", (n,), dtype=total))
    params.append(_tensor(c.op.name, (m, n), "out", total))

    def reference(v: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = v["A"].astype("float64") @ (v["B"].T if columns else v["B"]).astype("float64")
        return {c.op.name: np.maximum(found + v["bias"], 0) if bias else found}

    return _program("product", [*args, c], tuple(params), reference)


def emitted(program: Program, arch: str = "mtp_592"):
    scheduled = first_applicable(rules(ARCHS[arch]), program.mod)
    return scheduled.rule, emit_bang(scheduled.mod, program.kernel, arch)


CASES = {
    "half": (lambda: product(33, 100, 70), 1e-3),
    "half_columns_bias": (lambda: product(20, 130, 150, columns=True, bias=True), 1e-3),
    "brain": (lambda: product(16, 64, 100, "bfloat16"), 1e-3),
    "bytes": (lambda: product(8, 65, 1100, "int8", "int32"), 0.0),
    "unsigned_bytes": (lambda: product(9, 65, 1100, "int8", "int32", left="uint8"), 0.0),
    "unsigned_columns": (
        lambda: product(20, 70, 130, "int8", "int32", left="uint8", columns=True, bias=True),
        0.0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_text(name, request):
    make, tolerance = CASES[name]
    program = make()
    rule, printed = emitted(program)
    assert rule == "bang.matrix"
    check_golden(request, f"product_{name}.mlu", printed.text)
    check_values(printed.kernel, program, tolerance)


def test_copies_and_alignments_are_the_hardwares():
    program = product(20, 70, 70)
    _, printed = emitted(program)
    arrays = {k: v for k, v in program.inputs().items() if isinstance(v, np.ndarray)}
    assert not find_faults(printed.kernel, arrays, text=device_part(printed.kernel)).findings


@pytest.mark.parametrize("columns", [False, True], ids=["rows", "columns"])
def test_weights_of_several_banks_are_put_in_order(columns):
    program = product(32, 256, 128, columns=columns)
    schedule = Matrix(ARCHS["mtp_592"])._schedule(program.mod, Tile(16, 2, 64))
    printed = emit_bang(schedule.mod, program.kernel)
    assert "__bang_reshape_filter" in printed.text
    check_values(printed.kernel, program, 1e-3)


def declined(program: Program, inexact: bool = False) -> str:
    answer = Matrix(ARCHS["mtp_592"], inexact=inexact).apply(program.mod)
    return answer.reason if isinstance(answer, Declined) else ""


def test_operands_that_the_unit_would_round_stay_on_the_vector_unit():
    program = product(64, 64, 64, "float32")
    assert declined(program) == "the matrix unit has no exact sum of float32 in float32"
    assert declined(program, inexact=True) == ""
    assert "int16 in int32" in declined(product(64, 64, 64, "int16", "int32"))


def test_the_vector_unit_is_taken_where_it_is_modelled_to_be_faster():
    def by_unit(mod: tvm.IRModule) -> float:
        return 1.0 if "wram" in mod.script() else 0.5

    answer = Matrix(ARCHS["mtp_592"], by_unit).apply(product(64, 64, 64).mod)
    assert isinstance(answer, Declined)
    assert answer.reason == "bang.matmul is modelled at 5e+05 us, this at 1e+06"
    assert not isinstance(
        Matrix(ARCHS["mtp_592"], lambda _: 1.0).apply(product(64, 64, 64).mod), Declined
    )


def modelled(mod: tvm.IRModule) -> float | None:
    try:
        return emit_bang(mod, kernel_of(mod, "bang")).estimate.seconds
    except EmitError:
        return None


def test_operands_are_shared_where_that_is_modelled_to_be_faster():
    rule = Matrix(ARCHS["mtp_592"], modelled)

    def shares(program: Program) -> bool:
        answer = rule.apply(program.mod)
        assert not isinstance(answer, Declined)
        return "shared.sram" in answer.mod.script()

    assert shares(product(1024, 1024, 512))
    assert not shares(product(32, 64, 64))


def test_tiles_by_name():
    assert str(Tile(16, 2, 64)) == "16 x 128 x 64"
    assert str(Tile(16, 2, 64, (2, 2))) == "16 x 128 x 64 on 2 x 2 cores"
    assert str(Tile(8, 1, 64, (1, 4), kept=True)) == "8 x 64 x 64 on 1 x 4 cores, rows kept"
