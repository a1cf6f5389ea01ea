"""The C++ compiler of this machine, and a cache of what it made.

Everything that is compiled is keyed by the hash of its text, of every header it can see, of the
flags and of the compiler's version, so an entry never has to be invalidated.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from xpiler_tvm.errors import SetupError

from . import cache

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
    # A crash and a finding are given their source line: by line tables and by frame pointers.
    "-g1",
    "-fno-omit-frame-pointer",
)
LINK_FLAGS: tuple[str, ...] = ("-shared", "-Wl,-z,now", "-Wl,--as-needed")
LIMIT_SECONDS = 120


class CompileFailure(Exception):
    """The compiler refused the text; `log` is what it said."""

    def __init__(self, log: str) -> None:
        super().__init__(log)
        self.log = log


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


def family() -> str:
    """Whose options the compiler takes: `gcc` or `clang`."""
    return "clang" if "clang" in _version(find_compiler()) else "gcc"


def library(text: str, *, flags: tuple[str, ...] = (), objects: tuple[Path, ...] = ()) -> Path:
    """The shared library made of `text`, from the cache or compiled now.

    `flags` are for compiling alone: a sanitizer's calls are made, and no sanitizer is linked.

    Raises
    ------
    CompileFailure
        The compiler refused the text, or did not come to an end.
    SetupError
        XP6002 where there is no compiler, XP6004 where the cache cannot be written.
    """
    command, flags = find_compiler(), _all_flags(flags)

    def make(folder: Path) -> Path:
        unit = _compile(command, text, flags, folder)
        _run([*command, *LINK_FLAGS, str(unit), *map(str, objects), "-lm", "-o", "made.so"], folder)
        return folder / "made.so"

    made_of = (*flags, *LINK_FLAGS, *(one.name for one in objects))
    return cache.entry(_key(command, text, made_of) + ".so", make)


def native_object(name: str, flags: tuple[str, ...] = ()) -> Path:
    """`name`, a source file beside this module, as an object file to link kernels with."""
    command, text, flags = find_compiler(), (HERE / name).read_text(), _all_flags(flags)
    key = _key(command, text, flags)
    return cache.entry(key + ".o", lambda folder: _compile(command, text, flags, folder))


def _all_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    return (*FLAGS, *_machine_flags(), f"-I{HERE}", *flags)


def _key(command: tuple[str, ...], text: str, flags: tuple[str, ...]) -> str:
    parts = (text.encode(), _headers(), repr(flags).encode(), _version(command).encode())
    return cache.digest(parts)


def _compile(command: tuple[str, ...], text: str, flags: tuple[str, ...], folder: Path) -> Path:
    """`text` as an object file in `folder`."""
    (folder / "kernel.cc").write_text(text, encoding="utf-8")
    _run([*command, "-c", "kernel.cc", *flags, "-o", "kernel.o"], folder)
    return folder / "kernel.o"


def _run(command: list[str], folder: Path) -> None:
    """Runs the compiler in `folder`. Raises `CompileFailure` with what it said."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
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
