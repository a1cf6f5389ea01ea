"""Libraries held to AVX-512: this process is refused Intel's AMX.

Linux grants its registers on request, and refuses where a thread's stack for signals is too small
to hold them (Documentation/arch/x86/xstate.rst). A library that is refused takes the instructions
that it has for older processors.
"""

from __future__ import annotations

import ctypes

_BYTES = 8192
"""Enough for the registers of AVX-512, less than the 8 KB of AMX and these take together."""
_MEMORY = ctypes.create_string_buffer(_BYTES)


class _Stack(ctypes.Structure):
    """`stack_t` of <signal.h>."""

    _fields_ = (
        ("place", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


def refuse_amx() -> None:
    """Keep whatever is loaded later from AMX; to be called before libraries ask for it."""
    stack = _Stack(ctypes.addressof(_MEMORY), 0, _BYTES)
    ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None)
