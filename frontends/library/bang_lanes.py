"""How weights lie in WRAM: in the order in which they came, or bank by bank.

A copy whose destination steps from bank to bank puts each filter in a bank of its own. Which of the
two it is must be the same for all of a variable, wherever it is filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.tir import Expr

from ..values import Address

if TYPE_CHECKING:
    from .bang_calls import Intrinsic


def note_copy(call: Intrinsic, target: Address, stride: Expr, count: Expr) -> None:
    """Notes how a copy fills WRAM, whose inner loop takes `stride` bytes and `count` steps."""
    math = call.ev.math
    banked = math.known(stride) == call.chip.lane_stride and math.known(count) != 0
    known = call.ev.banked.setdefault(target.buffer, banked)
    if known != banked:
        call.refuse_unread("one variable in WRAM is filled both bank by bank and as a whole")


def in_banks(call: Intrinsic, weights: Address) -> bool:
    """Whether the weights were copied bank by bank."""
    return call.ev.banked.setdefault(weights.buffer, False)
