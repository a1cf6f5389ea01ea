"""Kernels that are no part of this repository, by a manifest of theirs.

A manifest is a list of kernels in JSON:

    [{"path": "add.cu", "dialect": "cuda", "entry": "add",
      "params": [{"name": "a", "dtype": "float32", "shape": [1024]},
                 {"name": "c", "dtype": "float32", "shape": [1024], "intent": "out"},
                 {"name": "n", "dtype": "int32", "value": 1024}],
      "launch": {"grid": [4], "block": [256]},
      "reference": "references.py:add", "tolerance": 1e-5}]

`operator` (default: the entry) and `shape` name the row. `intent` is `in` unless given. The launch
of BANG C has `tasks` and `kind`; without one the file's host code says it. A reference is a
function of the input arrays by name that returns the outputs by name; its file is relative to the
manifest.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus import Arrays, CorpusError, difference

from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import DIALECTS, Kernel, Launch, Param, Scalar, Tensor
from xpiler_tvm.verification.inputs import inputs_for

from .rows import Subject

TOLERANCE = 1e-4
"""What a result may be off by, as a part of the reference's rms and of the element."""


@dataclass(frozen=True)
class Reference:
    """A function that says what a kernel's outputs are to be."""

    kernel: Kernel
    function: Callable[..., Mapping[str, Any]]
    tolerance: float

    def inputs(self, seed: int) -> Arrays:
        return inputs_for(self.kernel, seed)

    def wrong(self, outputs: Arrays, inputs: Arrays) -> str:
        given = {t.name: inputs[t.name] for t in self.kernel.tensors if t.intent != "out"}
        wanted = self.function(**given)
        found = [difference(n, wanted[n], outputs[n], self.tolerance) for n in sorted(wanted)]
        return "; ".join(text for text in found if text)


def subjects(folder: Path, manifest: Path) -> list[Subject]:
    """The kernels of a manifest, whose paths are relative to `folder`.

    Raises `CorpusError` where the manifest says something that cannot be, with the entry.
    """
    try:
        listed = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{manifest}: {error}") from None
    if not isinstance(listed, list):
        raise CorpusError(f"{manifest}: a list of kernels is expected")
    return [_subject(folder, manifest.parent, about) for about in listed]


def _subject(folder: Path, home: Path, about: Any) -> Subject:
    try:
        path, dialect = about["path"], about["dialect"]
        if dialect not in DIALECTS:
            raise ValueError(f"there is no dialect {dialect!r}")
        kernel = Kernel(
            (folder / path).read_text(encoding="utf-8"),
            dialect,
            about["entry"],
            tuple(_param(one) for one in about["params"]),
            Launch(**about["launch"]) if "launch" in about else None,
            filename=path,
        )
        means = None
        if "reference" in about:
            file, _, name = about["reference"].partition(":")
            function = runpy.run_path(str(home / file))[name]
            means = Reference(kernel, function, float(about.get("tolerance", TOLERANCE)))
    except KeyError as error:
        raise CorpusError(f"{_name(about)}: {error} is missing") from None
    except (OSError, ReadError, TypeError, ValueError) as error:
        raise CorpusError(f"{_name(about)}: {error}") from None
    shape = str(about.get("shape", "x".join(map(str, kernel.tensors[0].shape or ()))))
    return Subject(kernel, about.get("operator", about["entry"]), path, shape, means=means)


def _name(about: Any) -> str:
    return str(about.get("path", about)) if isinstance(about, dict) else repr(about)


def _param(about: Mapping[str, Any]) -> Param:
    if "shape" in about:
        shape = tuple(int(extent) for extent in about["shape"])
        return Tensor(about["name"], shape, about["dtype"], about.get("intent", "in"))
    return Scalar(about["name"], about["dtype"], about.get("value"))
