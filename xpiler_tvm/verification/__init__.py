"""Inputs, error bounds and comparisons: what makes a check worth something."""

from .compare import compare, require_written, unwritten_outputs
from .inputs import inputs_for
from .tolerances import bound, likely_terms

__all__ = [
    "bound",
    "compare",
    "inputs_for",
    "likely_terms",
    "require_written",
    "unwritten_outputs",
]
