"""`localise`: where a wrong kernel first goes wrong, and what kind of mistake that is.

Two things are looked at. Intermediate values of both kernels are compared as values, without
names: of the statements of the wrong kernel, in the order of its run, the first that stores what
the source never has is where data goes wrong. And single integers are changed a little: where
that brings the outputs nearer to what is right the mistake is in that integer, which a comparison
of values alone cannot tell from what follows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xpiler_tvm.errors import Span
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.pairing import Subject, pair

from .grammar import Change, numbers_of, ordered
from .sites import Site
from .specification import Specification
from .taps import Tap, matched, pool_of, taps_of
from .tree import Node
from .trials import Outcome, TextTrials

Class = Literal["index", "bound", "init", "operator", "intrinsic", "dtype"]

CLASSES: dict[str, Class] = {
    "index": "index",
    "mapping": "index",
    "value": "index",
    "stride": "index",
    "bound": "bound",
    "guard": "bound",
    "count": "bound",
    "init": "init",
    "intrinsic": "intrinsic",
}
"""What a wrong integer of each kind of site is."""

_NEAR = 1.7
_RUNS = 1500
_MOST = 8
# A value that differs by less than that comes of a narrower type.
_ROUNDED = 2e-2


@dataclass(frozen=True)
class Localisation:
    """A suspicion: the place, the buffer that is wrong from there on, the class of the mistake.

    `evidence` says what was seen; `score` is what part of the wrong outputs a change here mends,
    or what part of a statement's values the source never has.
    """

    span: Span | None
    buffer: str
    mistake: Class
    evidence: str
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        from xpiler_tvm.report import span_as_dict

        about = {"buffer": self.buffer, "mistake": self.mistake, "evidence": self.evidence}
        return {**about, "score": round(self.score, 6), **span_as_dict(self.span)}

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        return f"{where}{self.mistake} of {self.buffer!r}: {self.evidence}"


def localise(
    broken: Kernel,
    like: Kernel,
    *,
    arch: str | None = None,
    specification: Specification | None = None,
) -> tuple[Localisation, ...]:
    """Where `broken` goes wrong, the most suspicious place first; nothing where it is right.

    Raises as `repair`.
    """
    source, subject = pair(like, broken)
    specification = specification or Specification(source)
    trials = TextTrials(subject, specification.examples(subject), arch=arch)
    if trials.base.right:
        return ()
    return (*_by_changes(subject, trials), *_by_values(specification, subject, arch))[:_MOST]


# ---------------------------------------------------------------- changes


def _by_changes(subject: Subject, trials: TextTrials) -> list[Localisation]:
    sizes = [extent for tensor in subject.kernel.tensors for extent in tensor.shape or ()]
    changes = ordered(trials.sites, numbers_of(subject.text, sizes))
    near = [one for one in changes if one.cost <= _NEAR][:_RUNS]
    outcomes = trials.run([{one.site.number: one.fill} for one in near])
    best: dict[int, tuple[float, Change]] = {}
    for change, outcome in zip(near, outcomes, strict=True):
        gain = _gain(trials.base, outcome)
        line = change.site.line
        if gain > 0 and (line not in best or gain > best[line][0]):
            best[line] = (gain, change)
    ranked = sorted(best.values(), key=lambda one: (-one[0], one[1].cost, one[1].site.number))
    return [_of_change(subject, gain, change) for gain, change in ranked]


def _gain(base: Outcome, outcome: Outcome) -> float:
    """What part of the wrong a change mends: one where all is right."""
    if outcome.right:
        return 1.0
    if outcome.failed and not base.failed:
        return 0.0
    fewer = (base.wrong - outcome.wrong) / max(1, base.wrong)
    less = (base.mass - outcome.mass) / max(1, base.mass)
    return 0.9 * max(fewer, 0.0) + 0.09 * max(less, 0.0) if fewer >= 0 else 0.0


def _of_change(subject: Subject, gain: float, change: Change) -> Localisation:
    site = change.site
    mends = "all" if gain == 1.0 else f"{100 * gain:.0f} %"
    evidence = f"another number for {site.text!r} mends {mends} of what is wrong"
    return Localisation(
        span_of(subject.kernel, site.node), _buffer(site), CLASSES[site.kind], evidence, gain
    )


def _buffer(site: Site) -> str:
    """The array or variable that a site's statement is about."""
    for above in (site.node, *site.node.ancestors()):
        if above.kind == "ARRAY_SUBSCRIPT_EXPR":
            return above.children[0].text.split("[")[0]
        if above.kind == "VAR_DECL":
            return above.name
        if above.kind == "CALL_EXPR" and len(above.children) > 1:
            return above.children[1].text
    return site.text


# ---------------------------------------------------------------- values


def _by_values(
    specification: Specification, subject: Subject, arch: str | None
) -> list[Localisation]:
    inputs, outputs, _ = specification.runs["indexed", 0]
    theirs = taps_of(specification.source, inputs)
    pool = pool_of(theirs, {**inputs, **outputs})
    given = specification.examples(subject)[0].inputs
    found = []
    for tap in taps_of(subject, given, arch):
        part = matched(tap, pool)
        if part < 1.0:
            evidence = f"{100 * (1 - part):.0f} % of what is stored here the source never has"
            span = span_of(subject.kernel, tap.node)
            found.append(Localisation(span, tap.buffer, _mistake(tap, pool), evidence, 1 - part))
    return found


def _mistake(tap: Tap, pool: np.ndarray) -> Class:
    values = tap.found[np.isfinite(tap.found)]
    if values.size and pool.size:
        at = np.clip(np.searchsorted(pool, values), 1, pool.size - 1) if pool.size > 1 else 0
        near = np.minimum(np.abs(pool[at] - values), np.abs(pool[at - 1] - values))
        if (near <= _ROUNDED * np.abs(values)).all():
            return "dtype"
    if tap.is_call:
        return "intrinsic"
    right = tap.node.children[-1]
    return "init" if right.kind.endswith("_LITERAL") else "operator"


def span_of(kernel: Kernel, node: Node) -> Span:
    """The place of a node in the kernel's file."""
    start = node.source.rfind("\n", 0, node.start) + 1
    end = node.source.find("\n", node.start)
    line = node.source[start : end if end >= 0 else None]
    length = min(len(node.text), len(line) - (node.start - start))
    return Span(kernel.filename, node.line, node.start - start + 1, max(1, length), line)
