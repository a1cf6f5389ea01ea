"""What notebooks show of kernels, lifts, translations, checks and schedules: one picture a file.

Each class has a `_repr_html_` that calls its page here. Nothing else depends on this folder.
"""

from __future__ import annotations

from .pages import (
    check_page,
    explorer_page,
    kernel_page,
    lifted_page,
    report_page,
    steps_page,
    translation_page,
    tuned_page,
)

__all__ = [
    "check_page",
    "explorer_page",
    "kernel_page",
    "lifted_page",
    "report_page",
    "steps_page",
    "translation_page",
    "tuned_page",
]
