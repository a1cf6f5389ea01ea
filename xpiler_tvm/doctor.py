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
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from . import pins
from .emulation.cache import cache_folder
from .emulation.compiler import find_compiler
from .errors import XpilerError
from .isolation import sandbox
from .processor import missing_features
from .targets.vnni import MCPU

DISTRIBUTION = "xpiler-tvm"
TVM_SECONDS = 120
LARGE = 2e9
"""Bytes of cache from which on a word about them is due."""


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
    loading = _load_tvm()
    needed = [_python(), _packages(), _pins(), _compiler()]
    optional = [
        _nvrtc(),
        _program("nvcc", "compiles emitted CUDA", "install the CUDA toolkit to compile CUDA here"),
        _program("hipcc", "compiles emitted HIP", "install ROCm to compile HIP here"),
        _program("cncc", "compiles emitted BANG C", "Cambricon's NeuWare has it; not needed here"),
        _gpu(),
        _vnni(),
        _llm(),
        _sandbox(),
        _cache(),
    ]
    # TVM takes longest to say anything, so it is asked first and heard last.
    return [*needed, *_tvm(loading), *optional]


def _python() -> Finding:
    version = platform.python_version()
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", fits, version, "" if fits else "use Python 3.10 to 3.13")


def _packages() -> Finding:
    """The packages that the distribution asks for, outside its extras."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
        own = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Finding("Packages", False, "xpiler-tvm is not installed", "run `pip install -e .`")
    needed = [row for row in required if ";" not in row]  # the others are extras
    problems, wanted = [], []
    for requirement in needed:
        name = _project(requirement)
        limits = requirement[len(name) :].strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
            wanted.append(requirement)
            continue
        if limits.startswith("==") and limits.removeprefix("==") != version:
            problems.append(f"{name} is {version}, but {limits} is needed")
            wanted.append(requirement)
    if problems:
        return Finding("Packages", False, "; ".join(problems), f"pip install {shlex.join(wanted)}")
    return Finding("Packages", True, f"xpiler-tvm {own}, {len(needed)} that it needs")


def _pins() -> Finding:
    """The pair of packages that ends the process where it does not fit."""
    found = pins.problems()
    if found:
        return Finding("Pins", False, "; ".join(found), pins.command())
    versions = (f"{name} {metadata.version(name)}" for name in pins.PINS)
    return Finding("Pins", True, ", ".join(versions))


def _project(requirement: str) -> str:
    """`apache-tvm` of `apache-tvm==0.27`."""
    for place, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:place]
    return requirement


def _load_tvm() -> subprocess.Popen[str]:
    """TVM in a process of its own: a wrong pair of packages would end this one."""
    code = (
        "import tvm; print(tvm.__version__); from tvm.target import codegen; "
        "print(codegen.llvm_version_major() if tvm.runtime.enabled('llvm') else 'none')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _tvm(loading: subprocess.Popen[str]) -> list[Finding]:
    """TVM, and the LLVM in it."""
    try:
        said, complaint = loading.communicate(timeout=TVM_SECONDS)
    except subprocess.TimeoutExpired:
        loading.kill()
        loading.communicate()
        detail = f"`import tvm` takes over {TVM_SECONDS} s"
        return [Finding("TVM", False, detail, "reinstall TVM"), _llvm("")]
    lines = said.split()
    if loading.returncode == 0 and len(lines) == 2:
        return [Finding("TVM", True, f"{lines[0]}, loads"), _llvm(lines[1])]
    last = (complaint.strip().splitlines() or [f"exit status {loading.returncode}"])[-1]
    return [
        Finding("TVM", False, f"does not load: {last}", "pip install -c constraints.txt -e ."),
        _llvm(""),
    ]


def _llvm(version: str) -> Finding:
    if version[:1].isdigit():
        return Finding("LLVM", True, f"{version}, in TVM")
    detail = "not in this TVM" if version else "not known: TVM does not load"
    return Finding("LLVM", False, detail, "pip install -c constraints.txt -e .")


def _compiler() -> Finding:
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
    advice = "{0} in PATH would let translations run on it"
    count = _nvidia_devices()
    if count:
        tool = "" if shutil.which("nvcc") else advice.format("nvcc")
        return Finding("GPU", True, f"{count} of NVIDIA", tool, needed=False)
    if Path("/dev/kfd").exists():
        tool = "" if shutil.which("hipcc") else advice.format("hipcc")
        return Finding("GPU", True, "of AMD", tool, needed=False)
    return Finding("GPU", False, "none: GPU code is emulated", needed=False)


def _nvidia_devices() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int()
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    except (OSError, AttributeError):
        pass
    return 0


def _vnni() -> Finding:
    missing = missing_features(MCPU)
    if not missing:
        return Finding("AVX512-VNNI", True, "this CPU runs emitted libraries", needed=False)
    detail = f"this CPU has no {', '.join(missing)}: vnni libraries are made but not run"
    return Finding("AVX512-VNNI", False, detail, needed=False)


def _llm() -> Finding:
    """Which endpoint is named. Keys are never shown, nor what a URL holds beside its place."""
    place = "the default endpoint"
    if os.environ.get("OPENAI_BASE_URL"):
        parts = urlsplit(os.environ["OPENAI_BASE_URL"])
        host = parts.netloc.rpartition("@")[2]
        place = f"{parts.scheme}://{host}{parts.path}" if host else "a malformed OPENAI_BASE_URL"
    if os.environ.get("OPENAI_API_KEY"):
        return Finding("LLM", True, f"{place}, with a key", needed=False)
    advice = "set OPENAI_API_KEY and OPENAI_BASE_URL"
    return Finding("LLM", False, "no key: rules only", advice, needed=False)


def _sandbox() -> Finding:
    """What holds a kernel that is run here, beside the limits on time and memory."""
    lacking = sandbox.missing()
    if lacking:
        detail = f"no {' and no '.join(lacking)}: kernels run with limits on time and memory alone"
        return Finding("Sandbox", False, detail, "run files of strangers elsewhere", needed=False)
    version = sandbox.landlock_version()
    return Finding("Sandbox", True, f"Landlock {version} and seccomp", needed=False)


def _cache() -> Finding:
    """What the emulator keeps of compiled kernels; it may be deleted at any time."""
    folder = cache_folder()
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # another process may be at work in it
                size += (Path(parent) / name).stat().st_size
    holder = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not os.access(holder, os.W_OK):
        advice = "set XPILER_CACHE_DIR to a folder of yours"
        return Finding("Cache", False, f"{folder} cannot be written", advice)
    advice = f"delete it to free them: rm -r {shlex.quote(str(folder))}" if size > LARGE else ""
    return Finding("Cache", True, f"{folder}, {size / 1e6:.0f} MB", advice)
