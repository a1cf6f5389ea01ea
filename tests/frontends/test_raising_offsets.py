"""Products of shifted bytes, less what the shift has made: one product without a shift."""

from __future__ import annotations

import numpy as np
import pytest
import tvm_ffi
from tvm import s_tir

from xpiler_tvm.frontends.raising import Raised

from .support import kernel, out, random, run_both

ROWS, DEPTH, COLUMNS = 6, 24, 16
SIGNED = (("a", random(ROWS * DEPTH, dtype="int8")), ("b", random(DEPTH * COLUMNS, dtype="int8")))
UNSIGNED = (("a", random(ROWS * DEPTH, dtype="uint8")), SIGNED[1])


def product(shift: str, taken: str, last: str, given: tuple = SIGNED) -> Raised:
    """C[t] of a row and a column: `shift` of a byte of A, `taken` summed beside, `last` stored."""
    text = f"""
  int i = threadIdx.x / {COLUMNS}, j = threadIdx.x % {COLUMNS};
  int s = 0, less = 0;
  for (int k = 0; k < {DEPTH}; k++) less += {taken};
  for (int k = 0; k < {DEPTH}; k++) {{
    s += (int)({shift}) * (int)b[k * {COLUMNS} + j];
  }}
  c[threadIdx.x] = {last};
"""
    known = kernel(text, *given, out("c", ROWS * COLUMNS, dtype="int32"), block=(ROWS * COLUMNS,))
    form, flat, result = run_both(known, *given)
    np.testing.assert_array_equal(result, flat)
    return form


def blocks(form: Raised) -> int:
    found: list[s_tir.SBlock] = []
    tvm_ffi.structural_walk(form.mod["main"].body, [(s_tir.SBlock, found.append)])
    return sum(block.name_hint != "root" for block in found)


A, B = f"a[i * {DEPTH} + k]", f"b[k * {COLUMNS} + j]"
PLAIN = {
    "the other sign bit": (f"(unsigned char)({A} ^ 0x80)", f"128 * {B}", "s - less", SIGNED),
    "128 more": (f"(unsigned char)({A} + 128)", f"128 * {B}", "s - less", SIGNED),
    "without a cast": (f"({A} + 128)", f"{B} * 128", "s - less", SIGNED),
    "taken off as a multiple": (
        f"(unsigned char)({A} + 128)",
        f"1 * {B}",
        "s - 128 * less",
        SIGNED,
    ),
    "another number": (f"({A} + 5)", f"5 * {B}", "s - less", SIGNED),
    "the other way": (f"(signed char)({A} - 128)", f"128 * {B}", "s + less", UNSIGNED),
    "beside more": (f"(unsigned char)({A} ^ 0x80)", f"128 * {B}", "s + i - less", SIGNED),
}
SHIFTED = {
    "one less": (f"(unsigned char)({A} ^ 0x80)", f"127 * {B}", "s - less", SIGNED),
    "added": (f"(unsigned char)({A} ^ 0x80)", f"128 * {B}", "s + less", SIGNED),
    "another bit": (f"(unsigned char)({A} ^ 0x40)", f"64 * {B}", "s - less", SIGNED),
    "another column": (
        f"({A} + 128)",
        f"128 * b[k * {COLUMNS} + (j + 1) % {COLUMNS}]",
        "s - less",
        SIGNED,
    ),
    "the bits as they are": (f"(unsigned char){A}", f"128 * {B}", "s - less", SIGNED),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_shift_that_is_taken_off_is_left_out(name: str) -> None:
    form = product(*PLAIN[name])
    extra = "beside" in name
    assert blocks(form) == 1 + extra
    assert "less" not in form.mod["main"].script()


@pytest.mark.parametrize("name", SHIFTED)
def test_a_shift_that_stays_is_kept(name: str) -> None:
    form = product(*SHIFTED[name])
    assert blocks(form) > 1


def test_what_is_added_and_taken_away_in_a_step_is_one_term() -> None:
    given = (("a", random(64, dtype="int32")), ("b", random(64, dtype="int32")))
    text = "int s = 0; for (int k = 0; k < 64; k++) s = s + a[k] - b[k] * 2 - 1; c[0] = s;"
    form, flat, result = run_both(kernel(text, *given, out("c", 1, dtype="int32")), *given)
    np.testing.assert_array_equal(result, flat)
    assert form.rung == "blocks" and blocks(form) == 1
