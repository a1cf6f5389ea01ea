"""Whether a vendor's compiler takes an emitted file. Nothing is run and nothing is kept of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SetupError
from .evidence import Check
from .stopwatch import cpu_seconds

if TYPE_CHECKING:
    from .targets import Emitted, TargetSpec

COMPILE_SECONDS = 300

SKIPPED = "XPILER_GPU"
"""The variable that, at 0, keeps vendors' compilers out as it does their devices."""


def check_compiles(spec: TargetSpec, emitted: Emitted) -> Check:
    """What the target's own compiler says to the emitted file.

    `unknown` where the compiler is missing, forbidden or not to be started; `refuted` with its
    first error where it refuses the file. Accepted files are remembered in the cache by their hash.
    """
    compiler = spec.compiler
    program = compiler.command[0]
    name = f"compiles ({program} {compiler.arch})"
    if os.environ.get(SKIPPED) == "0":
        return Check(name, "unknown", f"not compiled: {SKIPPED}=0")
    if not shutil.which(program):
        return Check(name, "unknown", f"not compiled: there is no {program}")
    begun = cpu_seconds()
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        file = Path(folder) / f"{emitted.entry}{spec.suffix}"
        file.write_text(emitted.text, encoding="utf-8")
        try:
            said = _said(compiler.command_for(file, compiler.arch), emitted.text)
        except (OSError, subprocess.SubprocessError, SetupError) as error:
            return Check(name, "unknown", f"not compiled: {error}")
    seconds = cpu_seconds() - begun
    if said:
        return Check(name, "refuted", said, seconds=seconds)
    return Check(name, "tested", "without an error", seconds=seconds)


def _said(command: list[str], text: str) -> str:
    """The compiler's first error, or its last line; nothing where it accepts the file."""
    from .emulation.cache import cache_folder

    # The file's place is not part of the question.
    key = hashlib.sha256("\0".join([*command[:-1], _version(command[0]), text]).encode())
    accepted = cache_folder() / "compiled" / key.hexdigest()[:40]
    if accepted.exists():
        return ""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMPILE_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        accepted.parent.mkdir(parents=True, exist_ok=True)
        accepted.touch()
        return ""
    lines = (done.stderr + done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return next((line for line in lines if "error" in line), lines[-1])


def _version(program: str) -> str:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout
