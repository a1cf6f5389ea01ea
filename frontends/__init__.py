"""From source text to TensorIR: parsing, host code, partial evaluation, threads, raising."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xpiler_tvm.kernel import Dialect, Kernel

    from .reading import Reading
    from .sequence import Sequence


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


def read_sequence(
    source: Kernel | str,
    dialect: Dialect = "cuda",
    *,
    args: Mapping[str, int | float] | None = None,
    root: str | None = None,
) -> Sequence:
    """All kernels that a file's host code launches, in its order; see `frontends.sequences`.

    `source` is a text in `dialect`, or a `Kernel` that has one; `args` are values of the host's
    variables, `root` the host function to start from.
    """
    from dataclasses import replace

    from xpiler_tvm.kernel import Kernel

    from . import sequences

    kernel = source if isinstance(source, Kernel) else Kernel(source, dialect)
    given = {**dict(kernel.args), **(args or {})}
    return sequences.read_sequence(replace(kernel, args=tuple(sorted(given.items()))), root)
