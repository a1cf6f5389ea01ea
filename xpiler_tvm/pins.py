"""The two packages whose versions must fit together, checked before either is imported.

With `apache-tvm-ffi` 0.1.15, which pip picks when it is left to choose, saving or pickling any
program ends the process with a segmentation fault. A sentence is better than that.
"""

from __future__ import annotations

import sys
from importlib import metadata

from .errors import SetupError

PINS: dict[str, tuple[str, ...]] = {
    "apache-tvm": ("0.27.0.post1",),
    "apache-tvm-ffi": ("0.1.14.post1", "0.1.14.post0"),
}
"""The versions that work, the preferred one first."""


def command() -> str:
    """What brings the packages into agreement, for this very interpreter."""
    wanted = " ".join(f'"{name}=={versions[0]}"' for name, versions in PINS.items())
    return f"{sys.executable} -m pip install {wanted}"


def problems() -> tuple[str, ...]:
    """One sentence for each package that is missing or of another version."""
    found = []
    for name, versions in PINS.items():
        try:
            present = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
            continue
        if present not in versions:
            found.append(f"{name} is {present}, but {' or '.join(versions)} is needed")
    return tuple(found)


def check() -> None:
    """Raise `SetupError` XP6001 where the installed packages do not fit together."""
    found = problems()
    if found:
        raise SetupError("XP6001", "; ".join(found), hint=f"run: {command()}")
