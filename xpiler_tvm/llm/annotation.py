"""Hints of a language model about a kernel: what its regions compute, what its arrays are for.

Nothing rests on a hint. An operator is confirmed where its meaning in numpy gives what the kernel,
as written, gave in every run; an input where another value of it changes an output; the rest is
dropped. What is confirmed goes into the next question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from xpiler_tvm.errors import CheckError, ModelError

from .client import Client
from .prompts import render, without_comments

if TYPE_CHECKING:
    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.pairing import Subject
    from xpiler_tvm.trials import Trial

    from .wire import Messages

Role = Literal["input", "output", "index"]
ROLES: tuple[Role, ...] = ("input", "output", "index")
RUN_SECONDS = 60.0


def _softmax(x: Any) -> Any:
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "copy": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "abs": np.abs,
    "negate": np.negative,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": _gelu,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "matmul": np.matmul,
    "transpose": np.transpose,
    "sum_rows": lambda x: x.sum(axis=-1),
    "max_rows": lambda x: x.max(axis=-1),
    "mean_rows": lambda x: x.mean(axis=-1),
    "softmax_rows": _softmax,
}
"""What a tag may say, on arrays of the parameters' shapes in double precision; rows are last."""


class OperatorTag(BaseModel):
    model_config = ConfigDict(extra="forbid")

    operator: str
    inputs: list[str]
    output: str
    first: int
    last: int


class RoleTag(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    role: str


class Tags(BaseModel):
    """A model's answer."""

    model_config = ConfigDict(extra="forbid")

    operators: list[OperatorTag]
    roles: list[RoleTag]


@dataclass(frozen=True)
class Annotations:
    """Tags that runs confirmed, and those that were dropped, in words."""

    confirmed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def question(kernel: Kernel, signature: str, strip_comments: bool = False) -> Messages:
    """What the model is asked for a resolved kernel."""
    text = without_comments(kernel.source) if strip_comments else kernel.source
    return render(
        "annotate",
        kernel.dialect,
        text,
        operators=sorted(OPERATORS),
        roles=ROLES,
        signature=signature,
        kernel=text,
    )


def annotate(client: Client, subject: Subject, trials: Sequence[Trial]) -> Annotations:
    """The tags of a kernel that its runs confirm; none where the model gives no answer."""
    from xpiler_tvm.frontends.guided import signature_of

    kernel = subject.kernel
    asked = question(kernel, signature_of(kernel), client.settings.strip_comments)
    try:
        tags = client.ask(asked, Tags)
    except ModelError:
        return Annotations()
    confirmed: list[str] = []
    dropped: list[str] = []
    for tag in tags.operators:
        told = f"`{tag.output}` is {tag.operator} of {', '.join(f'`{n}`' for n in tag.inputs)}"
        (confirmed if _computes(tag, kernel, trials) else dropped).append(told)
    for role in tags.roles:
        told = f"`{role.name}` is {role.role}"
        (confirmed if _has_role(role, subject, trials) else dropped).append(told)
    return Annotations(tuple(dict.fromkeys(confirmed)), tuple(dict.fromkeys(dropped)))


def _computes(tag: OperatorTag, kernel: Kernel, trials: Sequence[Trial]) -> bool:
    """Whether the operator gives what the kernel stored, in all runs."""
    from xpiler_tvm.verification import compare

    meaning = OPERATORS.get(tag.operator)
    tensors = {tensor.name: tensor for tensor in kernel.tensors}
    known = tag.output in tensors and all(name in tensors for name in tag.inputs)
    if meaning is None or not known or not tensors[tag.output].written or not trials:
        return False
    for trial in trials:
        given = trial.outputs[tag.output]
        operands = [np.asarray(trial.inputs[name], np.float64) for name in tag.inputs]
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(meaning(*operands), np.float64)
        except (TypeError, ValueError, MemoryError):
            return False
        if value.size != given.size:
            return False
        with np.errstate(all="ignore"):
            results = {**trial.outputs, tag.output: value.reshape(given.shape).astype(given.dtype)}
        if not compare("tag", trial.outputs, results, kernel, inputs=trial.inputs).ok:
            return False
    return True


def _has_role(tag: RoleTag, subject: Subject, trials: Sequence[Trial]) -> bool:
    tensor = next((one for one in subject.kernel.tensors if one.name == tag.name), None)
    if tensor is None or not trials:
        return False
    if tag.role == "output":
        return tensor.written
    if tag.role == "index":
        return tag.name in subject.ranges
    return tag.role == "input" and tensor.intent != "out" and _matters(tag.name, subject, trials)


def _matters(name: str, subject: Subject, trials: Sequence[Trial]) -> bool:
    """Whether another array in this place, from another run, changes what the kernel stores."""
    from xpiler_tvm.emulation import run_text

    first, other = trials[0], trials[-1]
    inputs = {**first.inputs, name: other.inputs[name]}
    how: Any = {"text": subject.text, "seconds": RUN_SECONDS}
    try:
        arrays = run_text(subject.kernel, inputs, first.scalars, **how).arrays
    except CheckError:
        return False
    written = [tensor.name for tensor in subject.kernel.tensors if tensor.written]
    return any(arrays[one].tobytes() != first.outputs[one].tobytes() for one in written)
