"""Integer intrinsics of CUDA and HIP against their definitions on random arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .support import execute, first, out

COUNT = 128
WORD = 2**32


def words(seed: int, count: int = COUNT, bits: int = 32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dtype = f"uint{bits}"
    values = rng.integers(0, 2**bits, count, dtype) >> rng.integers(0, bits, count).astype(dtype)
    values[:4] = [0, 2**bits - 1, 2 ** (bits - 1), 2 ** (bits - 1) - 1]
    return values


def signed(x: int, bits: int = 32) -> int:
    x &= 2**bits - 1
    return x - 2**bits if x >> (bits - 1) else x


def parts(x: int, bits: int, *, as_signed: bool) -> list[int]:
    found = [x >> at & (2**bits - 1) for at in range(0, 32, bits)]
    return [signed(part, bits) for part in found] if as_signed else found


def byte_perm(a: int, b: int, selector: int) -> int:
    """PTX prmt in its default mode."""
    source = parts(a, 8, as_signed=False) + parts(b, 8, as_signed=False)
    result = 0
    for i in range(4):
        nibble = selector >> 4 * i & 15
        byte = source[nibble & 7]
        result |= (255 * (byte >> 7) if nibble & 8 else byte) << 8 * i
    return result


def nth_bit(mask: int, base: int, n: int) -> int:
    if n == 0:
        return base if mask >> base & 1 else WORD - 1
    places = range(base, 32) if n > 0 else range(base, -1, -1)
    found = [i for i in places if mask >> i & 1]
    return found[abs(n) - 1] if len(found) >= abs(n) else WORD - 1


def mul24(a: int, b: int) -> int:
    return signed(a, 24) * signed(b, 24)


# Calls with the operands a, b, c (unsigned words), and what they give modulo 2^32.
CALLS: dict[str, Callable[[int, int, int], int]] = {
    "__popc(a)": lambda a, b, c: bin(a).count("1"),
    "__clz(a)": lambda a, b, c: 32 - a.bit_length(),
    "__ffs(a)": lambda a, b, c: (a & -a).bit_length(),
    "__brev(a)": lambda a, b, c: int(f"{a:032b}"[::-1], 2),
    "__fns(a, b % 32, (int)(c % 9) - 4)": lambda a, b, c: nth_bit(a, b % 32, c % 9 - 4),
    "__mulhi((int)a, (int)b)": lambda a, b, c: signed(a) * signed(b) >> 32,
    "__umulhi(a, b)": lambda a, b, c: a * b >> 32,
    "__mul24((int)a, (int)b)": lambda a, b, c: mul24(a, b),
    "__umul24(a, b)": lambda a, b, c: (a % 2**24) * (b % 2**24),
    "__hadd((int)a, (int)b)": lambda a, b, c: (signed(a) + signed(b)) >> 1,
    "__rhadd((int)a, (int)b)": lambda a, b, c: (signed(a) + signed(b) + 1) >> 1,
    "__uhadd(a, b)": lambda a, b, c: (a + b) >> 1,
    "__urhadd(a, b)": lambda a, b, c: (a + b + 1) >> 1,
    "__sad((int)a, (int)b, c)": lambda a, b, c: abs(signed(a) - signed(b)) + c,
    "__usad(a, b, c)": lambda a, b, c: abs(a - b) + c,
    "__byte_perm(a, b, c)": byte_perm,
    "__funnelshift_l(a, b, c)": lambda a, b, c: (b << 32 | a) << (c % 32) >> 32,
    "__funnelshift_r(a, b, c)": lambda a, b, c: (b << 32 | a) >> (c % 32),
    "__funnelshift_lc(a, b, c)": lambda a, b, c: (b << 32 | a) << min(c, 32) >> 32,
    "__funnelshift_rc(a, b, c)": lambda a, b, c: (b << 32 | a) >> min(c, 32),
    "__dp4a((int)a, (int)b, (int)c)": lambda a, b, c: c + dot(a, b, 8, 8, True),
    "__dp4a(a, b, c)": lambda a, b, c: c + dot(a, b, 8, 8, False),
    "__dp2a_lo((int)a, (int)b, (int)c)": lambda a, b, c: c + dot(a, b & 0xFFFF, 16, 8, True),
    "__dp2a_hi((int)a, (int)b, (int)c)": lambda a, b, c: c + dot(a, b >> 16, 16, 8, True),
    "__dp2a_lo(a, b, c)": lambda a, b, c: c + dot(a, b & 0xFFFF, 16, 8, False),
    "__dp2a_hi(a, b, c)": lambda a, b, c: c + dot(a, b >> 16, 16, 8, False),
}


def dot(a: int, b: int, a_bits: int, b_bits: int, as_signed: bool) -> int:
    pairs = zip(
        parts(a, a_bits, as_signed=as_signed), parts(b, b_bits, as_signed=as_signed), strict=False
    )
    return sum(x * y for x, y in pairs)


def results(calls: list[str], dialect: str, *operands: np.ndarray) -> np.ndarray:
    """The words that `calls` give on a, b and c, a row a call."""
    body = " ".join(f"y[{i} * n + t] = {call};" for i, call in enumerate(calls))
    source = f"""
    __global__ void k(const unsigned* x, const unsigned* z, const unsigned* w, unsigned* y) {{
      int t = threadIdx.x, n = {COUNT};
      unsigned a = x[t], b = z[t], c = w[t];
      {body}
    }}"""
    inputs = list(zip("xzw", operands, strict=True))
    shape = (len(calls), COUNT)
    return first(
        execute(source, *inputs, out("y", shape, "uint32"), block=(COUNT,), dialect=dialect)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_words(dialect: str) -> None:
    operands = [words(seed) for seed in range(3)]
    operands[2][: COUNT // 2] %= 40
    got = results(list(CALLS), dialect, *operands)
    for row, (call, meaning) in zip(got, CALLS.items(), strict=True):
        want = [meaning(*map(int, triple)) % WORD for triple in zip(*operands, strict=True)]
        np.testing.assert_array_equal(row, want, err_msg=call)


def test_words_of_64_bits() -> None:
    source = """
    __global__ void k(const unsigned long long* x, const unsigned long long* z,
                      unsigned long long* y) {
      int t = threadIdx.x, n = 128;
      unsigned long long a = x[t], b = z[t];
      y[t] = __popcll(a); y[n + t] = __clzll(a);
      y[2 * n + t] = __ffsll(a); y[3 * n + t] = __brevll(a);
      y[4 * n + t] = __umul64hi(a, b); y[5 * n + t] = __mul64hi(a, b);
      double d = __longlong_as_double(a);
      y[6 * n + t] = __double_as_longlong(d);
      y[7 * n + t] = __double_as_longlong(__hiloint2double(__double2hiint(d), __double2loint(d)));
    }"""
    x, z = words(4, bits=64), words(5, bits=64)
    got = first(execute(source, ("x", x), ("z", z), out("y", (8, COUNT), "uint64"), block=(COUNT,)))
    for i, (a, b) in enumerate(zip(map(int, x), map(int, z), strict=True)):
        want = [
            bin(a).count("1"),
            64 - a.bit_length(),
            (a & -a).bit_length(),
            int(f"{a:064b}"[::-1], 2),
            a * b >> 64,
            (signed(a, 64) * signed(b, 64) >> 64) % 2**64,
            a,
            a,
        ]
        assert got[:, i].tolist() == want


def packed(bits: int) -> dict[str, tuple[bool, Callable[[int, int], int]]]:
    """The family on parts of `bits` bits: whether they are signed, and what is made of two."""
    low, high, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 2**bits - 1

    def within(x: int, least: int, largest: int) -> int:
        return min(max(x, least), largest)

    relations: dict[str, Callable[[int, int], bool]] = {
        "eq": lambda a, b: a == b,
        "ne": lambda a, b: a != b,
        "gt": lambda a, b: a > b,
        "ge": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b,
    }
    table: dict[str, tuple[bool, Callable[[int, int], int]]] = {
        "vadd": (False, lambda a, b: a + b),
        "vsub": (False, lambda a, b: a - b),
        "vaddss": (True, lambda a, b: within(a + b, low, high)),
        "vsubss": (True, lambda a, b: within(a - b, low, high)),
        "vaddus": (False, lambda a, b: within(a + b, 0, most)),
        "vsubus": (False, lambda a, b: within(a - b, 0, most)),
        "vavgu": (False, lambda a, b: (a + b + 1) // 2),
        "vavgs": (True, lambda a, b: (a + b + (a + b >= 0)) >> 1),
        "vhaddu": (False, lambda a, b: (a + b) // 2),
        "vabsdiffs": (True, lambda a, b: abs(a - b)),
        "vabsdiffu": (False, lambda a, b: abs(a - b)),
        "vmaxs": (True, max),
        "vmaxu": (False, max),
        "vmins": (True, min),
        "vminu": (False, min),
    }
    for name, holds in relations.items():
        for suffix in ("",) if name in ("eq", "ne") else ("s", "u"):
            by_sign = suffix == "s"
            table[f"vcmp{name}{suffix}"] = by_sign, lambda a, b, holds=holds: -int(holds(a, b))
            table[f"vset{name}{suffix}"] = by_sign, lambda a, b, holds=holds: int(holds(a, b))
    return table


@pytest.mark.parametrize("bits", [8, 16])
def test_parts_of_a_word(bits: int) -> None:
    number = 32 // bits
    table = packed(bits)
    operands = [words(seed) for seed in (6, 7, 8)]
    operands[1][::3] = operands[0][::3]
    got = results([f"__{name}{number}(a, b)" for name in table], "cuda", *operands)
    for row, (name, (as_signed, step)) in zip(got, table.items(), strict=True):
        for a, b, result in zip(*map(list, operands[:2]), row, strict=True):
            left, right = (parts(int(x), bits, as_signed=as_signed) for x in (a, b))
            each = [step(x, y) % 2**bits for x, y in zip(left, right, strict=True)]
            want = sum(part << bits * i for i, part in enumerate(each))
            assert int(result) == want, (name, hex(a), hex(b))


@pytest.mark.parametrize("bits", [8, 16])
def test_parts_of_one_word_and_sums(bits: int) -> None:
    number, high = 32 // bits, 2 ** (bits - 1) - 1
    single: dict[str, Callable[[int], int]] = {
        "vneg": lambda a: -a,
        "vnegss": lambda a: min(-a, high),
        "vabs": abs,
        "vabsss": lambda a: min(abs(a), high),
    }
    operands = [words(seed) for seed in (9, 10, 11)]
    calls = [f"__{name}{number}(a)" for name in single]
    calls += [f"__vsads{number}(a, b)", f"__vsadu{number}(a, b)"]
    got = results(calls, "cuda", *operands)
    for i, (a, b) in enumerate(zip(map(int, operands[0]), map(int, operands[1]), strict=True)):
        want = []
        for step in single.values():
            each = [step(x) % 2**bits for x in parts(a, bits, as_signed=True)]
            want.append(sum(part << bits * j for j, part in enumerate(each)))
        for as_signed in (True, False):
            both = zip(*(parts(x, bits, as_signed=as_signed) for x in (a, b)), strict=True)
            want.append(sum(abs(x - y) for x, y in both))
        assert got[:, i].tolist() == want


def test_amd_s_packed_operations() -> None:
    calls: dict[str, Callable[[int, int, int], int]] = {
        "__builtin_amdgcn_sdot4(a, b, c, false)": lambda a, b, c: c + dot(a, b, 8, 8, True),
        "__builtin_amdgcn_udot4(a, b, c, false)": lambda a, b, c: c + dot(a, b, 8, 8, False),
        "__builtin_amdgcn_sdot4(a, b, c, true)": lambda a, b, c: min(
            max(signed(c) + dot(a, b, 8, 8, True), -(2**31)), 2**31 - 1
        ),
        "__builtin_amdgcn_udot4(a, b, c, true)": lambda a, b, c: min(
            c + dot(a, b, 8, 8, False), WORD - 1
        ),
        "__builtin_amdgcn_sdot8(a, b, c, false)": lambda a, b, c: c + dot(a, b, 4, 4, True),
        "__builtin_amdgcn_udot8(a, b, c, false)": lambda a, b, c: c + dot(a, b, 4, 4, False),
        "__builtin_amdgcn_alignbit(a, b, c)": lambda a, b, c: (a << 32 | b) >> c % 32,
        "__builtin_amdgcn_alignbyte(a, b, c)": lambda a, b, c: (a << 32 | b) >> 8 * (c % 4),
        "__builtin_amdgcn_ubfe(a, b % 32, c % 32)": lambda a, b, c: a >> b % 32 & 2 ** (c % 32) - 1,
        "__builtin_amdgcn_sbfe(a, b % 32, c % 32)": lambda a, b, c: (
            signed(a >> b % 32, c % 32) if c % 32 else 0
        ),
        "__builtin_amdgcn_perm(a, b, c)": amd_perm,
        "__builtin_amdgcn_sad_u8(a, b, c)": lambda a, b, c: (
            c
            + sum(
                abs(x - y)
                for x, y in zip(
                    parts(a, 8, as_signed=False), parts(b, 8, as_signed=False), strict=True
                )
            )
        ),
    }
    operands = [words(seed) for seed in (12, 13, 14)]
    operands[2][: COUNT // 2] = np.random.default_rng(15).integers(0, 14, (COUNT // 2, 4)) @ [
        1,
        2**8,
        2**16,
        2**24,
    ]
    got = results(list(calls), "hip", *operands)
    for row, (call, meaning) in zip(got, calls.items(), strict=True):
        want = [meaning(*map(int, triple)) % WORD for triple in zip(*operands, strict=True)]
        np.testing.assert_array_equal(row, want, err_msg=call)


def amd_perm(a: int, b: int, selector: int) -> int:
    """V_PERM_B32: byte selectors into a:b, with signs from 8, zero at 12 and ones above."""
    both = a << 32 | b
    result = 0
    for i in range(4):
        select = selector >> 8 * i & 255
        if select <= 7:
            byte = both >> 8 * select & 255
        elif select <= 11:
            byte = 255 * (both >> (16 * (select - 8) + 15) & 1)
        else:
            byte = 0 if select == 12 else 255
        result |= byte << 8 * i
    return result
