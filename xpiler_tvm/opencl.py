"""Runs emitted OpenCL C on the first platform that pyopencl finds, such as PoCL on this CPU.

    pip install 'xpiler-tvm[opencl]'

Text and arrays go to a process of its own, as a platform's compiler and its kernels may end one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckError, SetupError
from .kernel import Scalar, Tensor

if TYPE_CHECKING:
    import numpy as np

    from .targets import Emitted

SECONDS = 120


def run(
    emitted: Emitted, arrays: Mapping[str, np.ndarray], scalars: Mapping[str, int | float]
) -> dict[str, np.ndarray]:
    """Every tensor's array after a run.

    Raises
    ------
    SetupError XP6005 : there is no pyopencl, or no platform.
    CheckError XP5005 : the platform refuses the text, or reports a fault.
    """
    import numpy as np

    if find_spec("pyopencl") is None:
        raise SetupError(
            "XP6005", "there is no pyopencl here", hint="pip install 'xpiler-tvm[opencl]'"
        )
    order: list[dict[str, Any]] = []
    tensors = [param for param in emitted.params if isinstance(param, Tensor)]
    for param in emitted.params:
        if isinstance(param, Scalar):
            value = scalars.get(param.name, param.value)
            if value is None:
                raise CheckError("XP5007", f"no value was given for {param.name!r}")
            order.append({"dtype": param.dtype, "value": value})
        else:
            order.append({"array": f"arr_{tensors.index(param)}"})  # as numpy.savez names them
    launch = emitted.launch
    assert launch is not None
    job = {
        "entry": emitted.entry,
        "text": emitted.text,
        "groups": launch.grid,
        "items": launch.block,
        "order": order,
    }
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        given, results = Path(folder) / "given.npz", Path(folder) / "results.npz"
        with given.open("wb") as file:
            np.savez(file, *(arrays[tensor.name] for tensor in tensors))
        command = [sys.executable, "-m", "xpiler_tvm.opencl_worker", str(given), str(results)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps(job),
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CheckError("XP5004", f"the run took more than {SECONDS} s") from None
        if done.returncode == NO_PLATFORM:
            raise SetupError("XP6005", "OpenCL has no platform here")
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise CheckError("XP5005", f"OpenCL reports: {lines[-1]}")
        with np.load(results) as found:
            return {
                tensor.name: found[f"arr_{number}"].reshape(arrays[tensor.name].shape)
                for number, tensor in enumerate(tensors)
            }


NO_PLATFORM = 3
"""The worker's status where there is nothing to run on."""
