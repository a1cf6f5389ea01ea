"""Inputs, error bounds, references and comparisons: what makes a check worth something."""

from .compare import compare, require_written, unwritten_outputs, worst_of
from .inputs import FAMILIES, Family, inputs_for, lone_seeds, rounds
from .tolerances import bound, derived_bound, likely_terms

__all__ = [
    "FAMILIES",
    "Family",
    "bound",
    "compare",
    "derived_bound",
    "inputs_for",
    "likely_terms",
    "lone_seeds",
    "require_written",
    "rounds",
    "unwritten_outputs",
    "worst_of",
]
