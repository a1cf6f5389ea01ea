"""The C++ compiler of this machine, and a cache of what it made.

Everything that is compiled is keyed by the hash of its text, of every header it can see, of the
flags and of the compiler's version, so an entry never has to be invalidated.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

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
    # A frame larger than a stack touches every page on its way, and so the one that ends the stack.
    "-fstack-clash-protection",
)
Family = Literal["gcc", "clang"]
"""Whose options a compiler takes."""

LINK_FLAGS: tuple[str, ...] = ("-shared", "-Wl,-z,now", "-Wl,--as-needed")
# What one run of the compiler may take: seconds of wall time and of CPU time, and bytes.
LIMIT_SECONDS, LIMIT_CPU_SECONDS = 120, 40
LIMIT_MEMORY, LIMIT_FILE = 4 << 30, 256 << 20
_LOG_CHARACTERS = 200_000
# Linking reads no text of a kernel, and zig makes its own libraries when it first links.
_LINK_PATIENCE = 10
# The shell's limits hold for whatever the compiler starts. Its units are 512 bytes and 1024.
_LIMITED = (
    f'ulimit -c 0; ulimit -t "$1"; ulimit -f {LIMIT_FILE >> 9}; ulimit -v {LIMIT_MEMORY >> 10}; '
    'shift; exec "$@"'
)
# Templates and constant expressions that go deeper are bombs, or as good as.
_BOUNDS: dict[Family, tuple[str, ...]] = {
    "gcc": ("-ftemplate-depth=400", "-fconstexpr-ops-limit=8000000", "-fmax-errors=20"),
    "clang": ("-ftemplate-depth=400", "-fconstexpr-steps=1000000", "-ferror-limit=20"),
}
# Where a processor computes half in float, every operation is to be rounded all the same.
_EACH_ROUNDED: dict[Family, tuple[str, ...]] = {
    "gcc": ("-fexcess-precision=16",),
    "clang": ("-Xclang", "-ffloat16-excess-precision=none"),
}

# What compilers, and the drivers before them, say when a limit or a defect of theirs ended them.
_BROKEN = re.compile(
    r"internal compiler error|out of memory|memory exhausted|time limit exceeded|"
    r"File size limit|\bKilled\b|frontend command failed|unable to execute command"
)


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


def family() -> Family:
    """Whose options the compiler takes."""
    return "clang" if "clang" in _version(find_compiler()) else "gcc"


def library(
    text: str,
    *,
    flags: tuple[str, ...] = (),
    objects: tuple[Path, ...] = (),
    inspect: Callable[[Path], None] | None = None,
) -> Path:
    """The shared library made of `text`, from the cache or compiled now.

    `flags` are for compiling alone: a sanitizer's calls are made, and no sanitizer is linked.
    `inspect` is shown the object file before it is linked; what it raises is raised here.

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
        if inspect:
            inspect(unit)
        _run(
            [*command, *LINK_FLAGS, str(unit), *map(str, objects), "-lm", "-o", "made.so"],
            folder,
            _LINK_PATIENCE,
        )
        return folder / "made.so"

    made_of = (*flags, *LINK_FLAGS, *(one.name for one in objects), str(inspect is not None))
    return cache.entry(_key(command, text, made_of) + ".so", make)


def warnings(text: str, *, flags: tuple[str, ...] = ()) -> str:
    """What the compiler says of `text` under the warning options in `flags`.

    Raises as `library`.
    """
    command, flags = find_compiler(), tuple(f for f in _all_flags(flags) if f != "-w")
    with tempfile.TemporaryDirectory(prefix="xpiler-") as name:
        source = Path(name) / "kernel.cc"
        source.write_text(text, encoding="utf-8")
        return _run([*command, "-c", *flags, str(source), "-o", os.devnull], Path(name))


def preprocessed(text: str, *, flags: tuple[str, ...] = ()) -> str:
    """`text` as the compiler sees it behind its preprocessor, with line markers.

    Raises as `library`.
    """
    command, flags = find_compiler(), _all_flags(flags)
    with tempfile.TemporaryDirectory(prefix="xpiler-") as name:
        folder = Path(name)
        (folder / "kernel.cc").write_text(text, encoding="utf-8")
        _run([*command, "-E", "kernel.cc", *flags, "-o", "kernel.ii"], folder)
        return (folder / "kernel.ii").read_text(encoding="utf-8", errors="replace")


def native_object(name: str, flags: tuple[str, ...] = ()) -> Path:
    """`name`, a source file beside this module, as an object file to link kernels with."""
    command, text, flags = find_compiler(), (HERE / name).read_text(), _all_flags(flags)
    key = _key(command, text, flags)
    return cache.entry(key + ".o", lambda folder: _compile(command, text, flags, folder))


def _all_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    kind = family()
    rounded = _EACH_ROUNDED[kind] if platform.machine() == "x86_64" else ()
    return (*FLAGS, *_machine_flags(), *rounded, *_BOUNDS[kind], f"-I{HERE}", *flags)


def identity(text: str, flags: tuple[str, ...]) -> bytes:
    """A name for what compiling `text` with `flags` gives on this machine."""
    return _key(find_compiler(), text, _all_flags(flags)).encode()


def _key(command: tuple[str, ...], text: str, flags: tuple[str, ...]) -> str:
    parts = (text.encode(), _headers(), repr(flags).encode(), _version(command).encode())
    return cache.digest(parts)


def _compile(command: tuple[str, ...], text: str, flags: tuple[str, ...], folder: Path) -> Path:
    """`text` as an object file in `folder`."""
    (folder / "kernel.cc").write_text(text, encoding="utf-8")
    _run([*command, "-c", "kernel.cc", *flags, "-o", "kernel.o"], folder)
    return folder / "kernel.o"


def _run(command: list[str], folder: Path, patience: int = 1) -> str:
    """Runs the compiler in `folder` within limits: what it said.

    Raises `CompileFailure` with that, or with what kept the compiler from coming to its end.
    """
    said = folder / "said"
    with open(said, "wb") as log:
        running = subprocess.Popen(
            ["/bin/sh", "-c", _LIMITED, "sh", str(patience * LIMIT_CPU_SECONDS), *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)},
            start_new_session=True,
        )
        try:
            status: int | None = running.wait(patience * LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # What the compiler started goes with it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    text = said.read_bytes()[:_LOG_CHARACTERS].decode(errors="replace")
    if status == 0:
        return text
    if status is None or status < 0 or _BROKEN.search(text):
        raise CompileFailure(
            "error: the compiler did not come to an end with this text within "
            f"{LIMIT_CPU_SECONDS} s of CPU time and {LIMIT_MEMORY >> 30} GiB of memory"
        )
    raise CompileFailure(text)
