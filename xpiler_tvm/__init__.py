"""xpiler_tvm: a kernel written for one platform comes out correct and fast for the others.

    kernel = xt.Kernel.from_file("softmax.cu")
    lifted = xt.lift(kernel)
    result = xt.transcompile(lifted, "hip")

Nothing heavy is imported before it is used: TVM is loaded by the first call that needs it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import pins
from .errors import (
    CheckError,
    EmitError,
    LiftError,
    ModelError,
    ReadError,
    ScheduleError,
    SetupError,
    Span,
    XpilerError,
)
from .evidence import Check
from .kernel import Kernel, Launch, Scalar, Size, Tensor

if TYPE_CHECKING:
    from . import batch, relax, targets, torch, tuning
    from .batch import transcompile_many
    from .checking import CheckReport, check
    from .emulation.findings import Finding
    from .explorer import Explorer
    from .lifting import Lifted, lift
    from .synthesis import Repair, localise, repair
    from .translation import Translation, transcompile
    from .tuning import Tuned, tune

try:
    pins.check()
except SetupError as error:
    if Path(sys.argv[0]).stem != "xpiler":
        raise
    # The command says it in a sentence, as it says every other error.
    print(error, file=sys.stderr)
    raise SystemExit(16) from None

try:
    __version__ = version("xpiler-tvm")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0"

_LAZY = {
    "CheckReport": "checking",
    "check": "checking",
    "Explorer": "explorer",
    "Finding": "emulation.findings",
    "Lifted": "lifting",
    "lift": "lifting",
    "Repair": "synthesis",
    "localise": "synthesis",
    "repair": "synthesis",
    "Translation": "translation",
    "transcompile": "translation",
    "transcompile_many": "batch",
    "Tuned": "tuning",
    "tune": "tuning",
}
_MODULES = ("batch", "relax", "targets", "torch", "tuning")

__all__ = [
    "Check",
    "CheckError",
    "CheckReport",
    "EmitError",
    "Explorer",
    "Finding",
    "Kernel",
    "Launch",
    "LiftError",
    "Lifted",
    "ModelError",
    "ReadError",
    "Repair",
    "Scalar",
    "ScheduleError",
    "SetupError",
    "Size",
    "Span",
    "Tensor",
    "Translation",
    "Tuned",
    "XpilerError",
    "__version__",
    "batch",
    "check",
    "lift",
    "localise",
    "relax",
    "repair",
    "targets",
    "torch",
    "transcompile",
    "transcompile_many",
    "tune",
    "tuning",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
