"""From source text to TensorIR: parsing, host code, partial evaluation, threads, raising."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xpiler_tvm.kernel import Kernel

    from .reading import Reading


def resolve(kernel: Kernel) -> Kernel:
    """`kernel` with entry, parameters and launch filled in; see `frontends.resolving`."""
    from . import resolving

    return resolving.resolve(kernel)


def device_text(kernel: Kernel) -> str:
    """The kernel's text with host functions blanked out, lines kept."""
    from . import resolving

    return resolving.device_text(kernel)


def read(kernel: Kernel) -> Reading:
    """The flat program of a resolved kernel; see `frontends.reading`."""
    from .reading import read as reading

    return reading(kernel)
