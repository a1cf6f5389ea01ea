"""Rules on programs whose extents are expressions: those that need numbers decline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx

from .base import Declined, Rule


def is_symbolic(mod: tvm.IRModule) -> bool:
    """Whether an extent of `main`'s tensors is no number."""
    return any(
        not isinstance(extent, int | tirx.IntImm)
        for param in mod["main"].params
        if tirx.is_buffer_var(param)
        for extent in param.shape
    )


def for_any_size(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, each of which declines where it asks an extent for its number."""
    return tuple(_ForAnySize(rule) for rule in rules)


@dataclass(frozen=True)
class _ForAnySize:
    rule: Rule

    @property
    def name(self) -> str:
        return self.rule.name

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        try:
            return self.rule.apply(mod)
        except TypeError:  # int() of an expression
            return Declined("it chooses by the extents, which are no numbers here")
