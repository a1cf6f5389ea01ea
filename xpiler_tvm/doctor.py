"""What this machine offers: one finding a line, with what to do about what is missing."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from .errors import XpilerError

DISTRIBUTION = "xpiler-tvm"


@dataclass(frozen=True)
class Finding:
    """`needed` things must be there for a translation; the others widen what can be done."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    needed: bool = True


def findings() -> list[Finding]:
    """All findings, those that are needed first."""
    return [
        _python(),
        *_packages(),
        _tvm(),
        _compiler(),
        _nvrtc(),
        _program("nvcc", "compiles emitted CUDA", "install the CUDA toolkit to compile CUDA here"),
        _program("hipcc", "compiles emitted HIP", "install ROCm to compile HIP here"),
        _gpu(),
        _llm(),
    ]


def _python() -> Finding:
    version = platform.python_version()
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", fits, version, "" if fits else "use Python 3.10 to 3.13")


def _packages() -> Iterator[Finding]:
    """The packages that the distribution asks for, outside its extras."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("xpiler-tvm", False, "is not installed", "run `pip install -e .`")
        return
    for requirement in required:
        if ";" in requirement:  # an extra
            continue
        name = _project(requirement)
        wanted = requirement[len(name) :].strip()
        advice = f"pip install '{requirement}'"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, False, "is not installed", advice)
            continue
        exact = wanted.removeprefix("==") if wanted.startswith("==") else None
        fits = exact in (None, version)
        detail = version if fits else f"{version}, but {wanted} is needed"
        yield Finding(name, fits, detail, "" if fits else advice)


def _project(requirement: str) -> str:
    """`apache-tvm` of `apache-tvm==0.27`."""
    for place, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:place]
    return requirement


def _tvm() -> Finding:
    """TVM is loaded in a process of its own: a wrong pair of packages would end this one."""
    code = "import tvm; print(tvm.__version__)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("TVM loads", False, "`import tvm` takes over two minutes", "reinstall TVM")
    if done.returncode == 0:
        return Finding("TVM loads", True, done.stdout.strip())
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Finding("TVM loads", False, last, "pip install -c constraints.txt -e .")


def _compiler() -> Finding:
    from .emulation.compiler import find_compiler

    try:
        command = find_compiler()
    except XpilerError as error:
        return Finding("C++ compiler", False, error.message, error.hint)
    return Finding("C++ compiler", True, shlex.join(command))


def _nvrtc() -> Finding:
    library = ctypes.util.find_library("nvrtc")
    try:
        wheel = find_spec("nvidia.cuda_nvrtc")
    except ModuleNotFoundError:
        wheel = None
    found = library or ("the nvidia-cuda-nvrtc wheel" if wheel else None)
    return Finding(
        "NVRTC",
        found is not None,
        found or "not found: emitted CUDA is emulated but not compiled",
        "" if found else "pip install 'xpiler-tvm[cuda]'",
        needed=False,
    )


def _program(name: str, use: str, advice: str) -> Finding:
    path = shutil.which(name)
    return Finding(
        name, path is not None, path or f"not found ({use})", "" if path else advice, False
    )


def _gpu() -> Finding:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int()
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return Finding("GPU", count.value > 0, f"{count.value} of NVIDIA", needed=False)
    except (OSError, AttributeError):
        pass
    if Path("/dev/kfd").exists():
        return Finding("GPU", True, "one of AMD", needed=False)
    return Finding("GPU", False, "none: GPU code is emulated", needed=False)


def _llm() -> Finding:
    """Whether an endpoint is named. Keys are never shown."""
    where = os.environ.get("OPENAI_BASE_URL", "the default endpoint")
    if os.environ.get("OPENAI_API_KEY"):
        return Finding("LLM", True, f"{where}, with a key", needed=False)
    return Finding(
        "LLM", False, "no key: rules only", "set OPENAI_API_KEY and OPENAI_BASE_URL", needed=False
    )
