"""What the model of a device says of scheduled programs, each looked at once.

Rules ask for several forms of a program, and a search for the same forms again under every pass
that it tries behind them; to emit a program in order to model it takes most of the time of both.
"""

from __future__ import annotations

from collections import OrderedDict

import tvm
import tvm_ffi

from xpiler_tvm.errors import EmitError
from xpiler_tvm.targets.device import kernel_of

from .emit import emit_bang

MOST = 4096
"""Programs that are remembered, those that were asked for last."""

_known: OrderedDict[int, float | None] = OrderedDict()


def seconds_of(mod: tvm.IRModule) -> float | None:
    """Seconds that a scheduled program takes by the model; `None` where the device has no form."""
    key = tvm_ffi.structural_hash(mod, map_free_vars=True)
    if key not in _known:
        try:
            _known[key] = emit_bang(mod, kernel_of(mod, "bang")).estimate.seconds
        except EmitError:
            _known[key] = None
        if len(_known) > MOST:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key]
