"""Where a kernel's name promises another operator than it computes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .operator import Operator

_WORDS: dict[str, tuple[str, ...]] = {
    "gemm": ("matmul", "gemv", "dot", "attention"),
    "matmul": ("matmul", "gemv", "dot", "attention"),
    "bmm": ("matmul", "gemv", "dot"),
    "gemv": ("gemv", "matmul", "dot"),
    "conv": ("conv1d", "conv2d", "conv3d", "matmul", "gemv", "dot", "depthwise"),
    "depthwise": ("depthwise",),
    "softmax": ("softmax", "log_softmax", "attention"),
    "logsoftmax": ("log_softmax",),
    "layernorm": ("layer_norm",),
    "rmsnorm": ("rms_norm",),
    "batchnorm": ("batch_norm",),
    "maxpool": ("max_pool", "max"),
    "minpool": ("min_pool", "min"),
    "avgpool": ("avg_pool", "mean"),
    "sumpool": ("sum_pool", "sum"),
    "transpose": ("transpose",),
    "concat": ("concat",),
    "relu": ("relu", "leaky_relu", "relu6", "elu", "selu", "clip"),
    "gelu": ("gelu", "gelu_tanh"),
    "sigmoid": ("sigmoid", "silu"),
    "silu": ("silu",),
    "attention": ("attention", "softmax"),
    "cumsum": ("cumsum",),
}
"""Words of names, and the operators of which a kernel so called has one: the beginnings of names.
"""
_TRANSPOSED = {"nn": (False, False), "nt": (False, True), "tn": (True, False), "tt": (True, True)}
_GOES_ON = {"conv": "er|olu"}
"""How words go on that only begin like these."""
_OF_OTHERS = re.compile(r"backward|bwd|grad|back")
_MOST = 8  # more operators than that are an algorithm of their own


def contradictions(entry: str, operators: Sequence[Operator]) -> Iterator[str]:
    """What the name of a kernel suggests and its operators do not bear out, with the place."""
    name = re.sub(r"<.*", "", entry).lower()
    if not operators or len(operators) > _MOST or _OF_OTHERS.search(name):
        return
    place = operators[-1].span
    where = f"{place}: " if place else ""
    found = [operator.name for operator in operators]
    joined = name.replace("_", "")
    words = [word for word in _WORDS if re.search(rf"{word}(?!{_GOES_ON.get(word, '$^')})", joined)]
    for word in words:
        if any(word != other and word in other for other in words):
            continue
        if not any(one.startswith(_WORDS[word]) for one in found):
            yield f"{where}the name {entry!r} suggests {word}; it computes {', '.join(found)}"
    products = [operator for operator in operators if operator.name == "matmul"]
    order = [token for token in re.split(r"[_\d]+", name) if token in _TRANSPOSED]
    if len(products) == 1 and len(order) == 1:
        given = tuple(
            bool(products[0].attributes.get(side)) for side in ("transpose_a", "transpose_b")
        )
        if given != _TRANSPOSED[order[0]]:
            yield (
                f"{where}the name {entry!r} suggests {_said(_TRANSPOSED[order[0]])}; "
                f"it multiplies with {_said(given)}"
            )


def _said(transposed: tuple[bool, ...]) -> str:
    names = [name for name, yes in zip(("A", "B"), transposed, strict=True) if yes]
    return f"{' and '.join(names)} transposed" if names else "neither operand transposed"
