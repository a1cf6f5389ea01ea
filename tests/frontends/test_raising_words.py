"""Words that are put together of bytes, and bytes that are taken of words."""

from __future__ import annotations

import numpy as np
import pytest

from .support import kernel, out, random, run_both

X = random(4 * 24, dtype="uint8")


def taken(text: str) -> str:
    """The script of what a thread makes of four bytes, a word `w`; what it computes is checked."""
    given = (("x", X),)
    text = "int t = threadIdx.x; unsigned w = ((const unsigned*)x)[t]; " + text
    known = kernel(text, *given, out("y", 24, dtype="uint8"), block=(24,))
    form, flat, result = run_both(known, *given)
    np.testing.assert_array_equal(result, flat)
    return form.mod["main"].script()


@pytest.mark.parametrize("byte", range(4))
def test_a_byte_of_a_word_is_what_lies_there(byte: int) -> None:
    script = taken(f"y[t] = (unsigned char)(w >> {8 * byte} & 255u);")
    assert f"[vi0] = x[vi0, {byte}]" in script


@pytest.mark.parametrize("read", ["w >> 4 & 255u", "w >> 8 & 127u", "w * 3u >> 8 & 255u"])
def test_other_bits_stay_what_they_are(read: str) -> None:
    script = taken(f"y[t] = (unsigned char)({read});")
    assert "uint32" in script
