"""Atomic operations of CUDA and HIP: which exist on which types, stated once.

A meaning is a C expression of `old` and `value`. Types are C names; a type that is not in a row
has no such operation on the hardware.

Sources: the CUDA C++ programming guide (atomic functions), with the compute capability from which
a type is supported; HIP's kernel language reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .simt import Gpu

INTS = ("int", "unsigned")
LONG = "unsigned long long"
HIP_INTS = (*INTS, "unsigned long", LONG)
HIP_NUMBERS = (*HIP_INTS, "float", "double")
# CUDA has these for the device's scope alone.
_UNSCOPED = ("half", "half2", "bfloat16", "bfloat162")


@dataclass(frozen=True)
class Atomic:
    """`since` pairs a type with the compute capability that CUDA asks for, where not every
    device has it."""

    name: str
    meaning: str
    cuda: tuple[str, ...]
    hip: tuple[str, ...]
    since: tuple[tuple[str, int], ...] = ()

    def types(self, gpu: Gpu, suffix: str = "") -> tuple[str, ...]:
        """The types that `gpu` has this operation for, in the scope that `suffix` names."""
        if gpu.dialect == "hip":
            return self.hip
        since = dict(self.since)
        return tuple(
            kind
            for kind in self.cuda
            if since.get(kind, 0) <= gpu.capability and not (suffix and kind in _UNSCOPED)
        )


_ADDED = ("float", "double", "half", "half2", "bfloat16", "bfloat162", "float2", "float4")
_ADD_SINCE = (("bfloat16", 80), ("bfloat162", 80), ("float2", 90), ("float4", 90))
_EXTREMA = (*INTS, "long long", LONG)
_BITS = (*INTS, LONG)
_HIP_EXTREMA = (*HIP_INTS, "long long", "float", "double")

ATOMICS: tuple[Atomic, ...] = (
    Atomic("atomicAdd", "xp_sum(old, value)", (*INTS, LONG, *_ADDED), HIP_NUMBERS, _ADD_SINCE),
    Atomic("atomicSub", "old - value", INTS, HIP_NUMBERS),
    Atomic("atomicExch", "value", (*INTS, LONG, "float"), HIP_NUMBERS),
    Atomic("atomicMin", "xp_smaller(old, value)", _EXTREMA, _HIP_EXTREMA),
    Atomic("atomicMax", "xp_greater(old, value)", _EXTREMA, _HIP_EXTREMA),
    Atomic("atomicInc", "old >= value ? 0 : old + 1", ("unsigned",), ("unsigned",)),
    Atomic("atomicDec", "old == 0 || old > value ? value : old - 1", ("unsigned",), ("unsigned",)),
    Atomic("atomicAnd", "old & value", _BITS, HIP_INTS),
    Atomic("atomicOr", "old | value", _BITS, HIP_INTS),
    Atomic("atomicXor", "old ^ value", _BITS, HIP_INTS),
    # HIP's ways to ask for the hardware's own floating-point addition, and for a safe one.
    Atomic("unsafeAtomicAdd", "xp_sum(old, value)", (), ("float", "double", "half2", "bfloat162")),
    Atomic("safeAtomicAdd", "xp_sum(old, value)", (), ("float", "double")),
    Atomic("unsafeAtomicMin", "xp_smaller(old, value)", (), ("float", "double")),
    Atomic("unsafeAtomicMax", "xp_greater(old, value)", (), ("float", "double")),
)
COMPARE_AND_SWAP = Atomic(
    "atomicCAS",
    "old == compare ? value : old",
    (*INTS, LONG, "unsigned short"),
    (*HIP_NUMBERS, "unsigned short"),
)

SUFFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cuda": ("", "_block", "_system"), "hip": ("", "_system")}
)
"""The scopes that a name can end in. They order accesses, and change no value."""
