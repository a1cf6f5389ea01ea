"""Whether an accepted repair is right, by inputs that the repairer has not seen."""

from __future__ import annotations

from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.pairing import pair
from xpiler_tvm.verification import FAMILIES, compare, inputs_for

SEEDS = (7, 8)


def difference(source: Kernel, repaired: Kernel) -> str:
    """What of a repaired kernel is not as its source has it; nothing where all is right."""
    left, right = pair(source, repaired)
    names = tuple(tensor.name for tensor in left.kernel.tensors)
    for seed in SEEDS:
        for family in FAMILIES:
            inputs = inputs_for(left.kernel, seed, family, left.ranges)
            expected = run_text(left.kernel, inputs, text=left.text).arrays
            try:
                run = run_text(right.kernel, right.renamed(inputs, names), text=right.text)  # type: ignore[arg-type]
            except XpilerError as error:
                return f"{error.code}: {error.message}"
            own = (tensor.name for tensor in right.kernel.tensors)
            actual = {name: run.arrays[mine] for mine, name in zip(own, names, strict=True)}
            check = compare(f"{family} {seed}", expected, actual, left.kernel, inputs=inputs)
            if check.verdict == "refuted":
                return f"{check.name}: {check.detail}"
    return ""
