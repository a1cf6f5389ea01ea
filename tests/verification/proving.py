"""Obligations of a kernel's text."""

from __future__ import annotations

from tvm import IRModule

from xpiler_tvm import Kernel, Launch, Scalar, Tensor, frontends
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.kernel import Dialect, Size
from xpiler_tvm.verification.proofs import Kind, Obligation, Verdict, obligations

_C = {"float32": "float", "int32": "int", "uint8": "unsigned char"}


def out(name: str, *shape: int | str, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "out")


def proofs_of(
    text: str,
    *params: Tensor | Scalar,
    grid: tuple[int | str, ...] = (1,),
    block: tuple[int, ...] = (1,),
    dialect: Dialect = "cuda",
    sizes: tuple[Size, ...] = (),
    blocks: bool = False,
) -> list[Obligation]:
    """The obligations of a kernel `k`, and with `blocks` of what it is raised to. Its body starts
    in line 2."""
    declared = ", ".join(map(_declared, params))
    source = f"__global__ void k({declared}) {{\n{text}\n}}\n"
    launch = Launch(grid, block)
    given = Kernel(source, dialect, "k", params, launch, filename="k.cu", sizes=sizes)
    reading = frontends.read(frontends.resolve(given))
    if not blocks:
        return list(obligations(reading, IRModule({}), "opaque"))
    raised = raise_program(reading.program)
    assert raised.rung == "blocks", raised.reason
    return list(obligations(reading, raised.mod, raised.rung))


def _declared(param: Tensor | Scalar) -> str:
    if isinstance(param, Scalar):
        return f"{_C[param.dtype]} {param.name}"
    return f"{'' if param.written else 'const '}{_C[param.dtype]}* {param.name}"


def of(
    found: list[Obligation], kind: Kind, about: str = "", raised: bool = False
) -> list[Obligation]:
    """Those of a kind whose subject has a text in it, about the source or the raised module."""
    return [
        one for one in found if one.kind == kind and about in one.subject and one.raised is raised
    ]


def verdicts(found: list[Obligation]) -> set[Verdict]:
    return {one.verdict for one in found}


def only(found: list[Obligation], verdict: Verdict) -> Obligation:
    """The one obligation with a verdict."""
    (one,) = [one for one in found if one.verdict == verdict]
    return one
