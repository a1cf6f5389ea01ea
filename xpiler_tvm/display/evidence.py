"""The table of checks, and what else a report says."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from xpiler_tvm.evidence import Check

from .page import part


def evidence(checks: Sequence[Check], remarks: Sequence[str] = ()) -> Markup:
    """One row a check; `remarks` are lines below it."""
    return part("evidence.html", checks=checks, remarks=remarks)
