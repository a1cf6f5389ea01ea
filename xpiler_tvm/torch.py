"""Kernels on tensors of PyTorch's, through DLPack: no copy on the way in or out.

    softmax = xt.torch.load("softmax.cu", target="vnni", args={"rows": 128, "cols": 256})
    y = softmax(x)                       # outputs are allocated
    softmax(x, y)                        # or given, and filled

PyTorch is an optional extra: `pip install 'xpiler-tvm[torch]'`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckError, SetupError
from .kernel import Kernel, Tensor
from .lifting import Lifted
from .translation import Translation, transcompile

if TYPE_CHECKING:
    import numpy as np


def load(
    kernel: Kernel | Lifted | str | Path,
    target: str = "vnni",
    *,
    entry: str | None = None,
    args: Mapping[str, int | float] | None = None,
) -> Function:
    """A kernel, or the file that holds it, translated for `target`, as a function of CPU tensors.

    Raises what `transcompile` raises, and `SetupError` XP6001 where PyTorch is not installed.
    """
    _torch()
    if isinstance(kernel, str | Path):
        kernel = Kernel.from_file(kernel, entry=entry, args=args)
    return Function(transcompile(kernel, target))


@dataclass(frozen=True, eq=False)
class Function:
    """A translation that takes tensors: its evidence is `translation.evidence`."""

    translation: Translation

    def __call__(self, *tensors: Any, **scalars: int | float) -> Any:
        """Runs the kernel on contiguous CPU tensors, in the order of its pointers.

        With the inputs alone, outputs are allocated in the shapes of the kernel and returned, a
        single one as it is. With all tensors those that are written are filled, and nothing is
        returned. Raises `CheckError` XP5007 where they do not fit.
        """
        torch = _torch()
        expected = self.translation.lifted.kernel.tensors
        inputs = [tensor for tensor in expected if tensor.intent != "out"]
        given = list(tensors)
        made: list[Any] = []
        if len(given) == len(inputs) < len(expected):
            waiting, given = iter(given), []
            for tensor in expected:
                if tensor.intent == "out":
                    made.append(torch.empty(tensor.size, dtype=getattr(torch, tensor.dtype)))
                    given.append(made[-1])
                else:
                    given.append(next(waiting))
        arrays = [_array(tensor, one) for tensor, one in zip(expected, given, strict=False)]
        self.translation(*arrays, *given[len(arrays) :], **scalars)
        if not made:
            return None
        return made[0] if len(made) == 1 else tuple(made)


def _array(tensor: Tensor, value: Any) -> np.ndarray:
    """A view of a tensor's memory."""
    import numpy as np

    torch = _torch()
    if not isinstance(value, torch.Tensor) or value.device.type != "cpu":
        where = getattr(value, "device", type(value).__name__)
        raise CheckError("XP5007", f"{tensor.name!r} takes a tensor on the CPU, {where} is given")
    if not value.is_contiguous():
        raise CheckError(
            "XP5007", f"{tensor.name!r} is not contiguous", hint="pass tensor.contiguous()"
        )
    if value.requires_grad:
        raise CheckError(
            "XP5007", f"{tensor.name!r} asks for a gradient", hint="pass tensor.detach()"
        )
    if value.dtype == torch.bfloat16:
        from .emulation import numpy_dtype

        return np.from_dlpack(value.view(torch.int16)).view(numpy_dtype("bfloat16"))
    return np.from_dlpack(value)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise SetupError(
            "XP6001", "PyTorch is not installed", hint="pip install 'xpiler-tvm[torch]'"
        ) from None
    return torch
