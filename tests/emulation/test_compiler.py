"""The cache of compiled libraries, and what is done to a text before it is compiled."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xpiler_tvm.emulation import bang, cache as caching, compiler, elf
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
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("compiled again"))
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
        ("_ZZN2xp12_GLOBAL__N_1L6kernelEPKfPfE11long_name_2", "long_name_2"),
    ],
)
def test_plain_names(mangled: str, name: str) -> None:
    assert elf.plain_name(mangled) == name


def test_jobs_and_archs_that_do_not_exist() -> None:
    with pytest.raises(ReadError) as caught:
        bang.job(Launch(tasks=(4,), kind="union3"), "")
    assert caught.value.code == "XP1014"
    with pytest.raises(ReadError) as caught:
        bang.prelude("", "mtp_999", "strict")
    assert caught.value.code == "XP1012"
