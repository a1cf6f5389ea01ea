"""A kernel's name against what it computes."""

from __future__ import annotations

import pytest

from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.recognition import Operator
from xpiler_tvm.frontends.recognition.naming import contradictions

PLACE = Span("k.cu", 7, 3)


def operator(name: str, **attributes: bool) -> Operator:
    return Operator(name, attributes, ("a", "b"), "c", span=PLACE)


@pytest.mark.parametrize(
    ("entry", "operators"),
    [
        ("gemm_nt_kernel", [operator("matmul", transpose_b=True)]),
        ("softmax<128>", [operator("softmax")]),
        ("fused_gemm_bias_relu", [operator("matmul"), operator("add"), operator("relu")]),
        ("softmax_backward", [operator("multiply"), operator("subtract")]),
        ("LayerNormKernel", [operator("layer_norm")]),
        ("maxpool2d", [operator("max_pool2d")]),
        ("convert", [operator("cast")]),
        ("transpose_tiled", [operator("transpose")]),
        ("k", [operator("relu")]),
        ("gemm", []),
    ],
)
def test_names_that_are_borne_out(entry: str, operators: list[Operator]) -> None:
    assert list(contradictions(entry, operators)) == []


@pytest.mark.parametrize(
    ("entry", "operators", "said"),
    [
        (
            "gemm_nt",
            [operator("matmul")],
            "suggests B transposed; it multiplies with neither operand transposed",
        ),
        ("transpose_tiled", [operator("copy")], "suggests transpose; it computes copy"),
        ("maxpool", [operator("avg_pool2d")], "suggests maxpool; it computes avg_pool2d"),
        ("softmax_rows", [operator("exp")], "suggests softmax; it computes exp"),
        ("rmsNorm", [operator("layer_norm")], "suggests rmsnorm; it computes layer_norm"),
    ],
)
def test_names_that_promise_another_operator(
    entry: str, operators: list[Operator], said: str
) -> None:
    (note,) = contradictions(entry, operators)
    assert note == f"k.cu:7:3: the name {entry!r} {said}"
