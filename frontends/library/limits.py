"""`std::numeric_limits`."""

from __future__ import annotations

import numpy as np

from xpiler_tvm.errors import ReadError

from .. import ir
from ..values import Number, range_of
from .calling import Handler, Invocation


def _limit(call: Invocation) -> Number:
    """A function of `numeric_limits<T>`, whose template argument stands in the call."""
    (kind, *_) = call.expr.template_args or (ir.VOID,)
    if not isinstance(kind, ir.Arithmetic):
        raise ReadError("XP1009", "the limits of this type are not known", span=call.span)
    dtype, name = kind.dtype, call.name.removeprefix("numeric_limits::")
    if not dtype.startswith("float"):
        low, high = range_of(dtype)
        values = {"max": high, "min": low, "lowest": low, "epsilon": 0}
        if name not in values:
            raise call.refused(f"has no meaning for {dtype}")
        return call.math.number(values[name], dtype)
    facts = np.finfo(dtype)
    real: dict[str, float] = {
        "max": float(facts.max),
        "lowest": float(facts.min),
        "min": float(facts.tiny),
        "epsilon": float(facts.eps),
        "infinity": np.inf,
        "quiet_NaN": np.nan,
    }
    return call.math.number(real[name], dtype)


HANDLERS: dict[str, Handler] = {
    f"numeric_limits::{name}": _limit
    for name in ("max", "lowest", "min", "epsilon", "infinity", "quiet_NaN")
}
