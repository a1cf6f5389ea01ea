"""What this machine's processor can do, as far as emitted code counts on it."""

from __future__ import annotations

import platform
from pathlib import Path

_AVX2 = ("avx2", "bmi2", "f16c", "fma")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl")

FEATURES: dict[str, tuple[str, ...]] = {
    "x86-64": (),
    "x86-64-v3": _AVX2,
    "haswell": _AVX2,
    "skylake-avx512": _AVX512,
    "cascadelake": (*_AVX512, "avx512_vnni"),
    "icelake-server": (*_AVX512, "avx512_vnni"),
    "sapphirerapids": (*_AVX512, "avx512_vnni", "amx_int8"),
}
"""The flags of /proc/cpuinfo that code for a CPU counts on, as far as it matters here."""


def missing_features(mcpu: str) -> tuple[str, ...]:
    """What code for `mcpu`, LLVM's name of a CPU, counts on and this machine lacks."""
    wanted = FEATURES.get(mcpu, ())
    if platform.machine() not in ("x86_64", "AMD64"):
        return wanted or ("x86-64",)
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return wanted
    line = next((row for row in cpuinfo.splitlines() if row.startswith("flags")), "")
    present = set(line.split())
    return tuple(feature for feature in wanted if feature not in present)
