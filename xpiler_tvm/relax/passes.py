"""Errors of our passes, which would lose their type on the way through TVM."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.ir.transform import PassContext


def called_directly(pass_class: Any) -> Any:
    """The pass class whose call does the work without TVM around it, so that errors stay ours.

    Inside of a `tvm.transform.Sequential` they are TVM's `RuntimeError`, with the same text.
    """

    class Pass(pass_class):
        def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
            return self._inst.transform_module(mod, PassContext.current())

    Pass.__name__, Pass.__doc__ = pass_class.__name__, pass_class.__doc__
    Pass.__module__ = pass_class.__module__
    return Pass
