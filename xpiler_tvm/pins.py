"""The versions that work together, checked before TVM is loaded.

A newer tvm-ffi loads and then ends the process in `save_json` and `pickle`, so a wrong one is
refused at import, from the installed packages' metadata alone.
"""

from __future__ import annotations

from importlib import metadata

from .errors import SetupError

PINS: dict[str, tuple[str, ...]] = {
    "apache-tvm": ("0.27.0.post1",),
    "apache-tvm-ffi": ("0.1.14.post1", "0.1.14.post0"),
}
INSTALL = "pip install " + " ".join(f"{name}=={good[0]}" for name, good in PINS.items())


def check() -> None:
    """Raises `SetupError` XP6001 where an installed version is not one that works."""
    for name, good in PINS.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found not in good:
            raise SetupError(
                "XP6001",
                f"{name} is {found}; xpiler_tvm works with {' or '.join(good)}",
                hint=f"run: {INSTALL}",
            )
