"""Options and fixtures that every test folder shares."""

from __future__ import annotations

import os

import pytest

# Compiling for a GPU takes seconds a kernel; tests/test_gpu.py asks for it where it is meant.
os.environ.setdefault("XPILER_GPU", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="write what the tests print into the golden files instead of comparing",
    )
    parser.addoption(
        "--all-targets",
        action="store_true",
        default=False,
        help="translate all of tests/kernels for all targets, not every second for one in turn",
    )
