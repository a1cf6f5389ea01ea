"""The C++ compiler of this machine, and a cache of what it made.

Everything that is compiled is keyed by the hash of its text, of every header it can see, of the
flags and of the compiler's version, so an entry never has to be invalidated.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from xpiler_tvm.errors import SetupError

HERE = Path(__file__).parent
FLAGS: tuple[str, ...] = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-w",
    # Kernels reinterpret memory (float* as float4*), which vendors' compilers let them do.
    "-fno-strict-aliasing",
    "-fwrapv",
    # Contraction would make results depend on the compiler; without errno libm calls are plain.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-exceptions",
    "-fno-rtti",
    # zig's optimised builds drop assertions; a kernel's are worth having.
    "-UNDEBUG",
    # Statics need no lock: there is one thread.
    "-fno-threadsafe-statics",
)
LIMIT_SECONDS = 120


class CompileFailure(Exception):
    """The compiler refused the text; `log` is what it said."""

    def __init__(self, log: str) -> None:
        super().__init__(log)
        self.log = log


def cache_folder() -> Path:
    """Where compiled libraries are kept: `XPILER_CACHE_DIR`, else the user's cache folder."""
    chosen = os.environ.get("XPILER_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xpiler_tvm"


def find_compiler() -> tuple[str, ...]:
    """The command of a C++17 compiler: `$CXX`, clang++, g++ or the `ziglang` wheel.

    Raises
    ------
    SetupError
        XP6002 where there is none.
    """
    chosen = shlex.split(os.environ.get("CXX", ""))
    for command in [chosen, ["clang++"], ["g++"]]:
        if command and shutil.which(command[0]):
            return tuple(command)
    if find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "c++")
    raise SetupError(
        "XP6002",
        "no C++ compiler: $CXX, clang++, g++ and the ziglang wheel were tried",
        hint="install g++ or clang++, or `pip install ziglang`, or set CXX",
    )


@lru_cache(maxsize=8)
def _version(compiler: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            [*compiler, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError(
            "XP6002", f"{shlex.join(compiler)} does not run: {error}", hint="set CXX to another"
        ) from None
    return done.stdout


@lru_cache(maxsize=1)
def _headers() -> bytes:
    """Every native file beside this module: a change to any of them makes new libraries."""
    return b"".join(
        path.name.encode() + path.read_bytes()
        for path in sorted(HERE.iterdir())
        if path.suffix in (".h", ".cc")
    )


@lru_cache(maxsize=1)
def _machine_flags() -> tuple[str, ...]:
    """`-mf16c` where the processor converts half itself: a hundred times faster than libgcc."""
    try:
        known = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return ()
    return ("-mf16c",) if "f16c" in known else ()


def library(text: str, *, flags: tuple[str, ...] = (), objects: tuple[Path, ...] = ()) -> Path:
    """The shared library made of `text`, from the cache or compiled now.

    `flags` are for compiling alone: a sanitizer's calls are made, and no sanitizer is linked.

    Raises
    ------
    CompileFailure
        The compiler refused the text.
    SetupError
        XP6002 where there is no compiler, XP6004 where the cache cannot be written.
    """
    return _build(text, ".so", (*flags, "-shared", *map(str, objects), "-lm"))


def native_object(name: str) -> Path:
    """`name`, a source file beside this module, as an object file to link kernels with."""
    return _build((HERE / name).read_text(), ".o", ("-c",))


def build_folder(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the cache entry `target`, from where it is renamed into place.

    Raises `SetupError` XP6004 where the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-")
    except OSError as error:
        raise SetupError(
            "XP6004",
            f"the cache {target.parent} cannot be written: {error.strerror}",
            hint="set XPILER_CACHE_DIR to a folder of yours",
        ) from None


def _build(text: str, suffix: str, flags: tuple[str, ...]) -> Path:
    compiler = find_compiler()
    flags = (*FLAGS, *_machine_flags(), f"-I{HERE}", *flags)
    key = hashlib.sha256()
    for part in (text.encode(), _headers(), repr(flags).encode(), _version(compiler).encode()):
        key.update(len(part).to_bytes(8, "little") + part)
    target = cache_folder() / "emulation" / (key.hexdigest()[:40] + suffix)
    if target.exists():
        return target
    with build_folder(target) as name:
        source, made = Path(name) / "kernel.cc", Path(name) / ("kernel" + suffix)
        source.write_text(text, encoding="utf-8")
        # Flags with libraries and objects follow the source, as linkers want it.
        command = [*compiler, str(source), *flags, "-o", str(made)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_SECONDS,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise CompileFailure(f"compiling took more than {LIMIT_SECONDS} s") from None
        if done.returncode != 0:
            raise CompileFailure(done.stderr)
        os.replace(made, target)
    return target
