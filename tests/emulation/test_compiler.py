"""The cache of compiled libraries, and what is done to a text before it is compiled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from xpiler_tvm.dialects import bang_jobs
from xpiler_tvm.emulation import bang, compiler, elf
from xpiler_tvm.emulation import cache as caching
from xpiler_tvm.emulation.source import rewrite
from xpiler_tvm.errors import ReadError, SetupError
from xpiler_tvm.kernel import Launch


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XPILER_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_text_is_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiler.library("int answer() { return 42; }")
    assert path.is_relative_to(cache)
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("compiled again"))
    assert compiler.library("int answer() { return 42; }") == path


def test_other_texts_and_flags_have_other_libraries(cache: Path) -> None:
    text = "int answer() { return 42; }"
    paths = {
        compiler.library(text),
        compiler.library(text + " "),
        compiler.library(text, flags=("-O1",)),
    }
    assert len(paths) == 3
    assert not list(cache.glob("**/.build-*")), "nothing temporary stays"


def test_a_full_cache_drops_what_was_not_used_for_longest(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "GRACE_SECONDS", 100)
    monkeypatch.setenv("XPILER_CACHE_SIZE", "2500")

    def made(name: str) -> Path:
        def make(folder: Path) -> Path:
            (folder / "file").write_bytes(bytes(1000))
            return folder / "file"

        return caching.entry(name, make)

    old, older, young = made("old"), made("older"), made("young")
    assert all(path.exists() for path in (old, older, young)), "all are within their grace"
    now = time.time()
    os.utime(old, (now - 1000, now - 1000))
    os.utime(older, (now - 2000, now - 2000))
    made("new")
    assert [path.exists() for path in (older, old, young)] == [False, False, True]
    assert made("older").exists(), "what was dropped is made again"


def test_what_a_killed_process_left_is_swept(cache: Path) -> None:
    left = cache / "emulation" / ".build-left"
    recent = cache / "emulation" / ".build-recent"
    for folder in (left, recent):
        folder.mkdir(parents=True)
        (folder / "kernel.o").write_text("half an obj")
    long_ago = time.time() - 2 * caching.LEFT_BEHIND_SECONDS
    os.utime(left, (long_ago, long_ago))
    compiler.library("int answer() { return 42; }")
    assert not left.exists()
    assert recent.exists(), "a build of another process may be going on in it"


def test_processes_may_use_and_prune_the_cache_at_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPILER_CACHE_SIZE", "1")
    monkeypatch.setattr(caching, "GRACE_SECONDS", 0)

    def make(folder: Path) -> Path:
        (folder / "file").write_bytes(b"whole")
        return folder / "file"

    def work() -> None:
        for number in range(300):
            path = caching.entry(f"entry{number % 3}", make)
            with contextlib.suppress(FileNotFoundError):
                assert path.read_bytes() == b"whole"

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                work()
                os._exit(0)
            os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert not list(cache.glob("**/.build-*"))


@pytest.mark.parametrize(
    ("given", "size"),
    [("", 1 << 30), ("1000", 1000), ("500M", 500 << 20), ("1.5GiB", 3 << 29), ("2 kb", 2048)],
)
def test_sizes_of_the_cache(given: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPILER_CACHE_SIZE", given)
    assert caching.size_limit() == size


def test_a_size_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPILER_CACHE_SIZE", "much")
    with pytest.raises(SetupError) as caught:
        caching.size_limit()
    assert caught.value.code == "XP6004"


def test_flags_are_for_compiling_alone(cache: Path) -> None:
    path = compiler.library("int answer(int* p) { return *p; }", flags=("-fsanitize=thread",))
    with open(path, "rb") as file:
        dynamic = ELFFile(file).get_section_by_name(".dynamic")
        needed = [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]
    assert not any("tsan" in name for name in needed)


def test_a_compiler_that_does_not_come_to_an_end(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "LIMIT_SECONDS", 0.01)
    with pytest.raises(compiler.CompileFailure, match="did not come to an end"):
        compiler.library("int answer() { return 42; }")
    assert not list(cache.glob("**/*.so"))


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    with pytest.raises(compiler.CompileFailure) as caught:
        compiler.library("int answer() { return nosuch; }")
    assert "nosuch" in caught.value.log
    assert not list(cache.glob("**/*.so"))


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XPILER_CACHE_DIR", str(file))
    with pytest.raises(SetupError) as caught:
        compiler.library("int answer() { return 42; }")
    assert caught.value.code == "XP6004"


def test_the_cache_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XPILER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert caching.cache_folder() == Path("/somewhere/xpiler_tvm")


def test_a_compiler_that_does_not_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    assert compiler.find_compiler() == ("false",)
    with pytest.raises(SetupError) as caught:
        compiler.library("int answer() { return 42; }")
    assert caught.value.code == "XP6002"


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("#include <cuda_runtime.h>\nint x;", "\nint x;"),
        ('extern "C" __global__ void k();', 'extern "C++" __global__ void k();'),
        ("extern __shared__ float s[];", "float* const s = (float*)xp_dynamic;"),
        ("extern __shared__\n  float s[ ];", "float* const s = (float*)xp_dynamic;\n"),
        (
            "extern __shared__ __align__(16) unsigned char s[];",
            "unsigned char* const s = (unsigned char*)xp_dynamic;",
        ),
        ("extern volatile __shared__ int s;", "extern volatile __shared__ int s;"),
        ("static __shared__ int s[4];", "__shared__ int s[4];"),
        (
            "typedef float v4 __attribute__((ext_vector_type(4)));",
            "typedef float v4 __attribute__((vector_size(4 * sizeof(float)), "
            "aligned(sizeof(float))));",
        ),
    ],
)
def test_a_text_is_changed_where_no_macro_can(text: str, becomes: str) -> None:
    assert rewrite(text) == becomes
    assert rewrite(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZN2xp12_GLOBAL__N_13bufE", "buf"),
        ("_ZN2xp12_GLOBAL__N_1L3bufE", "buf"),
        ("_ZZN2xp12_GLOBAL__N_11kILi4EEEvPfE4tile", "tile"),
        ("_ZZN2xp12_GLOBAL__N_19transposeILi32ELb1ELin7EEEvPKfPfiiE4tile", "tile"),
        ("_ZZN2xp12_GLOBAL__N_1L6kernelEPKfPfE11long_name_2", "long_name_2"),
    ],
)
def test_plain_names(mangled: str, name: str) -> None:
    assert elf.plain_name(mangled) == name


def test_jobs_and_archs_that_do_not_exist() -> None:
    with pytest.raises(ReadError) as caught:
        bang_jobs.job(Launch(tasks=(4,), kind="union3"), "")
    assert caught.value.code == "XP1014"
    with pytest.raises(ReadError) as caught:
        bang.prelude("", "mtp_999", "strict")
    assert caught.value.code == "XP1012"
