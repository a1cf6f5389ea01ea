"""Arrays whose parts are filled in turn, and stores that only some iterations make."""

from __future__ import annotations

import numpy as np
import pytest

from .support import Given, kernel, out, random, run_both

N = 64
X = random(N)
GIVEN: tuple[Given, ...] = (("x", X),)

# One thread copies x; through what, and how many blocks that is in the end.
COPIES: dict[str, str] = {
    "two slots": """float s[2]; s[0] = x[0];
        for (int i = 0; i < 64; i++) { if (i < 63) s[(i + 1) % 2] = x[i + 1]; y[i] = s[i % 2]; }""",
    "two slots, filled late": """float s[2]; s[0] = x[0];
        for (int i = 0; i < 64; i++) { y[i] = s[i % 2]; if (i < 63) s[(i + 1) % 2] = x[i + 1]; }""",
    "two slots of eight": """float s[16]; for (int j = 0; j < 8; j++) s[j] = x[j];
        for (int i = 0; i < 8; i++) {
            if (i < 7) for (int j = 0; j < 8; j++) s[(i + 1) % 2 * 8 + j] = x[i * 8 + 8 + j];
            for (int j = 0; j < 8; j++) y[i * 8 + j] = s[i % 2 * 8 + j]; }""",
    "three slots": """float s[3]; s[0] = x[0]; s[1] = x[1];
        for (int i = 0; i < 64; i++) { if (i < 62) s[(i + 2) % 3] = x[i + 2]; y[i] = s[i % 3]; }""",
    "the next in a register": """float next = x[0];
        for (int i = 0; i < 64; i++) {
            float now = next; if (i < 63) next = x[i + 1]; y[i] = now; }""",
    "a vector by its components": """float s[4]; for (int i = 0; i < 16; i++) {
            s[0] = x[4 * i]; s[1] = x[4 * i + 1]; s[2] = x[4 * i + 2]; s[3] = x[4 * i + 3];
            for (int j = 0; j < 4; j++) y[4 * i + j] = s[j]; }""",
    "panels of pairs": """float s[64]; for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++)
            s[i / 2 * 16 + j * 2 + i % 2] = x[i * 8 + j];
        for (int i = 0; i < 64; i++) y[i] = s[i / 16 * 16 + i % 8 * 2 + i / 8 % 2];""",
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_one_block(name: str) -> None:
    known = kernel(COPIES[name], *GIVEN, out("y", N))
    form, flat, result = run_both(known, *GIVEN)
    assert form.rung == "blocks", form.reason
    np.testing.assert_array_equal(flat, X)
    np.testing.assert_array_equal(result, X)
    assert str(form.mod).count("T.sblock(") == 2, str(form.mod)  # with the root


def test_a_toggled_slot_is_told_from_the_round() -> None:
    x = random(100)  # more rounds than the reader writes out
    text = """float s[2]; int at = 0; s[at] = x[0];
        for (int i = 0; i < 100; i++) {
            if (i < 99) s[at ^ 1] = x[i + 1]; y[i] = s[at]; at ^= 1; }"""
    form, flat, result = run_both(kernel(text, ("x", x), out("y", 100)), ("x", x))
    np.testing.assert_array_equal(flat, x)
    np.testing.assert_array_equal(result, x)
    assert str(form.mod).count("T.sblock(") == 2, str(form.mod)


# Near misses: the slot that is read is not, or not always, the one that was filled last.
OTHERS: dict[str, str] = {
    "a slot that is filled in time only half the time": """float s[2] = {3, 4};
        for (int i = 0; i < 64; i++) { y[i] = s[i % 2]; if (i % 3 == 0) s[(i + 1) % 2] = x[i]; }""",
    "a slot of long ago": """float s[3] = {7, 8, 9};
        for (int i = 0; i < 64; i++) { y[i] = s[i % 3]; s[(i + 2) % 3] = x[i]; }""",
    "its own slot, before it is filled": """float s[2] = {1, 2};
        for (int i = 0; i < 64; i++) { y[i] = s[(i + 1) % 2]; s[(i + 1) % 2] = x[i]; }""",
    "the last of some iterations": """float s = 1;
        for (int i = 0; i < 63; i++) { if (i % 4 == 1) s = x[i]; y[i + 1] = s; } y[0] = s;""",
    "what another branch left": """float s[2] = {5, 6}; for (int i = 0; i < 64; i++) {
        if (x[i] > 0) { s[i % 2] = x[i]; y[i] = s[0]; } else y[i] = 0; }""",
    "a sum inside a branch": """float s = 0; for (int i = 0; i < 64; i++) {
        if (x[i] > 0) { s = s + x[i]; y[i] = s; } else y[i] = 0; }""",
    "different spellings of different things": """float s[4]; for (int i = 0; i < 16; i++) {
        s[0] = x[4 * i]; s[1] = x[4 * i + 1]; s[2] = x[4 * i + 1]; s[3] = x[4 * i + 3];
        for (int j = 0; j < 4; j++) y[4 * i + j] = s[j]; }""",
    "holes": """float s[8]; for (int i = 0; i < 8; i++) s[i] = i;
        for (int i = 0; i < 6; i++) s[i / 2 * 3 + i % 2] = x[i];
        for (int i = 0; i < 64; i++) y[i] = s[i % 8];""",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_copy_is_not_taken_for_one(name: str) -> None:
    _, flat, result = run_both(kernel(OTHERS[name], *GIVEN, out("y", N)), *GIVEN)
    np.testing.assert_allclose(result, flat, rtol=1e-5)
    assert not np.array_equal(flat, X)
