"""The command's own part: options, exit codes, files. The stages are replaced where they matter."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import xpiler_tvm
from xpiler_tvm import cli, doctor
from xpiler_tvm.commands import arguments, translate
from xpiler_tvm.commands.ending import INTERNAL_ERROR, exit_code
from xpiler_tvm.errors import EmitError, ReadError, XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import DIALECTS, Kernel, Launch, Scalar, Tensor
from xpiler_tvm.verification.proofs import Obligation

KERNEL = "__global__ void k(const float *x, float *y, int n) { y[threadIdx.x] = x[threadIdx.x]; }\n"

# ---------------------------------------------------------------- what the user says


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        ("x:float32[512]", Tensor("x", (512,), "float32")),
        ("x:float16[64,64]", Tensor("x", (64, 64), "float16")),
        ("y:float32[512]:out", Tensor("y", (512,), "float32", "out")),
        (" y : float32[4, 8] : inout ", Tensor("y", (4, 8), "float32", "inout")),
        ("x:float32[]", Tensor("x", None, "float32")),
        ("x:int8[]:out", Tensor("x", None, "int8", "out")),
        ("n:int32", Scalar("n", "int32")),
        ("n:int32=512", Scalar("n", "int32", 512)),
        ("n:uint64=0x10", Scalar("n", "uint64", 16)),
        ("a:float32=-1.5e-3", Scalar("a", "float32", -1.5e-3)),
    ],
)
def test_parameters(spec: str, param: Tensor | Scalar) -> None:
    assert arguments.parse_param(spec) == param


@pytest.mark.parametrize(
    "spec",
    [
        "", "x", "x:", "x:float32[", "x:float32[4", "x:float32[a]", "x:float32[4]:sideways",
        "x:float32[0]", "x:float31", "1x:float32", "x:float32:out", "x:float32[4]=3",
        "x:float32[4]:in:out", "n:int32=", "n:int32=abc", "x:float32[-4]", "x:float32[4,]",
    ],
)  # fmt: skip
def test_malformed_parameters(spec: str) -> None:
    with pytest.raises(ReadError) as error:
        arguments.parse_param(spec)
    assert error.value.code == "XP1014"


@pytest.mark.parametrize(
    ("text", "extents"), [("4", (4,)), ("4,2,1", (4, 2, 1)), ("16x16", (16, 16)), ("4, 2", (4, 2))]
)
def test_extents(text: str, extents: tuple[int, ...]) -> None:
    assert arguments.parse_extents("--grid", text) == extents


@pytest.mark.parametrize("text", ["", "a", "4;2", "-1", "4,,2", "1.5"])
def test_malformed_extents(text: str) -> None:
    with pytest.raises(ReadError) as error:
        arguments.parse_extents("--grid", text)
    assert error.value.code == "XP1014"


def test_arguments() -> None:
    assert arguments.parse_arg("rows=4096") == ("rows", 4096)
    assert arguments.parse_arg("eps=1e-5") == ("eps", 1e-5)
    for spec in ("rows", "=4", "rows=", "rows=many", "2x=3"):
        with pytest.raises(ReadError) as error:
            arguments.parse_arg(spec)
        assert error.value.code == "XP1014"


def test_targets() -> None:
    assert translate.parse_targets("hip,bang,hip") == ("hip", "bang")
    assert translate.parse_targets("all") == DIALECTS
    for text in ("", ",", "hip,metal"):
        with pytest.raises(ReadError) as error:
            translate.parse_targets(text)
        assert error.value.code == "XP1012"


def test_devices_of_one_kind_do_not_overwrite_each_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, out = tmp_path / "k.cu", tmp_path / "out"
    source.write_text("__global__ void k(float* y) { y[threadIdx.x] = 1; }", encoding="utf-8")
    argv = ["translate", str(source), "--to", "vnni,vnni:haswell", "-o", str(out)]
    assert cli.main(argv) == 11
    assert "two would write the same files" in capsys.readouterr().err
    assert not out.exists()


# ---------------------------------------------------------------- the commands


@dataclass(frozen=True)
class FakeRecognised:
    notes: tuple[str, ...] = ("the name suggests gelu",)

    def check(self) -> Check:
        return Check("operators = source", "proved")


@dataclass(frozen=True)
class FakeLifted:
    kernel: Kernel
    evidence: tuple[Check, ...] = (Check("source == flat", "tested", worst=0.5),)
    rung: str = "opaque"
    notes: tuple[str, ...] = ("k.cu:3:1: the loop leaves early",)
    assumptions: tuple[str, ...] = ("n is 512",)
    conditions: tuple[str, ...] = ("n % 4 == 0 (the last are left out otherwise)",)
    seconds: dict[str, float] = field(default_factory=lambda: {"lift": 0.5})
    guidance: None = None
    operators: tuple[str, ...] = ("y = relu(x)",)
    obligations: tuple[Obligation, ...] = (
        Obligation("bounds", "store to y[i]", "proved", "analyzer"),
        Obligation("race", "y", "refuted", "z3", "tx = 0, tx' = 1", (("tx", 0), ("tx'", 1))),
    )

    @property
    def recognised(self) -> FakeRecognised:
        return FakeRecognised()

    @property
    def mod(self) -> Any:
        return self

    def script(self) -> str:
        return "# TensorIR"


@dataclass(frozen=True)
class FakeTranslation:
    target: str
    lifted: FakeLifted | None = None
    evidence: tuple[Check, ...] = (Check("source == emitted", "tested", worst=0.25),)
    seconds: dict[str, float] = field(default_factory=lambda: {"emit": 0.5})
    report: dict[str, Any] = field(
        default_factory=lambda: {"launch": [4], "rung": "blocks", "rule": "gpu.rows"}
    )

    def export(self, folder: Path) -> list[Path]:
        paths = [folder / ("k" + suffix) for suffix in translate.SUFFIXES[self.target]]
        for path in [*paths, folder / "k.report.json"]:
            path.write_text(f"for {self.target}")
        return [*paths, folder / "k.report.json"]


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Stages that record what they get; `seen["fail"]` maps a target to what it raises."""
    seen: dict[str, Any] = {"fail": {}}

    def lift(kernel: Kernel, **_: Any) -> FakeLifted:
        seen["kernel"] = kernel
        return FakeLifted(kernel)

    def transcompile(lifted: FakeLifted, target: str, **_: Any) -> FakeTranslation:
        if target in seen["fail"]:
            raise seen["fail"][target]
        return FakeTranslation(target, lifted, **seen.get("result", {}))

    monkeypatch.setattr(xpiler_tvm, "lift", lift, raising=False)
    monkeypatch.setattr(xpiler_tvm, "transcompile", transcompile, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.cu").write_text(KERNEL)
    return seen


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_translate_writes_all_files(
    road: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["translate", "k.cu", "--to", "hip,bang,vnni,cuda", "-o", "out/deep"]) == 0
    out = tmp_path / "out" / "deep"
    assert names(out) == {
        *("k.hip", "k.mlu", "k.c", "k.ll", "k.s", "k.so", "k.cu"),
        "k.report.json",
    }
    assert (out / "k.cu").read_text() == "for cuda"
    report = json.loads((out / "k.report.json").read_text())
    assert list(report["targets"]) == ["hip", "bang", "vnni", "cuda"]
    assert report["targets"]["hip"]["launch"] == [4]
    printed = capsys.readouterr().out
    assert "k.cu -> vnni" in printed
    assert printed.count("form: blocks, scheduled by gpu.rows\n") == 4
    assert "source == emitted" in printed


def test_translate_passes_what_the_user_says(road: dict[str, Any]) -> None:
    argv = ["translate", "k.cu", "--to", "hip", "--entry", "k", "--grid", "4", "--block", "16x8"]
    argv += ["--shared", "512", "--param", "x:float32[512]", "--param", "y:float32[512]:out"]
    assert cli.main([*argv, "--arg", "n=512"]) == 0
    kernel = road["kernel"]
    assert kernel.entry == "k"
    assert kernel.params == (Tensor("x", (512,)), Tensor("y", (512,), intent="out"))
    assert kernel.launch == Launch(grid=(4,), block=(16, 8), shared_bytes=512)
    assert kernel.args == (("n", 512),)


def test_translate_json(road: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["translate", "k.cu", "--to", "hip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == {"hip": FakeTranslation("hip").report}


def test_nothing_is_written_when_one_target_fails(
    road: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    road["fail"]["bang"] = EmitError("XP4002", "too large", hint="use tiles")
    assert cli.main(["translate", "k.cu", "--to", "hip,bang", "-o", "out"]) == 14
    assert names(tmp_path / "out") == set()
    captured = capsys.readouterr()
    assert captured.err == "error XP4002: too large\nhint: use tiles\n"
    assert captured.out == ""


def test_refuted_results_are_not_written(road: dict[str, Any], tmp_path: Path) -> None:
    road["result"] = {"evidence": (Check("source == emitted", "refuted", "at [3]"),)}
    assert cli.main(["translate", "k.cu", "--to", "hip", "-o", "out"]) == 15
    assert names(tmp_path / "out") == set()


def test_the_input_is_never_overwritten(road: dict[str, Any], tmp_path: Path) -> None:
    assert cli.main(["translate", "k.cu", "--to", "hip,cuda", "-o", "."]) == 16
    assert (tmp_path / "k.cu").read_text() == KERNEL
    assert names(tmp_path) == {"k.cu"}
    assert "kernel" not in road  # refused before any work
    assert cli.main(["translate", "k.cu", "--to", "hip", "-o", "."]) == 0


def test_output_under_a_file(road: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert cli.main(["translate", "k.cu", "--to", "hip", "-o", "taken"]) == 16
    assert cli.main(["translate", "k.cu", "--to", "hip", "-o", "taken/deeper"]) == 16


@pytest.mark.parametrize("option", ["--grid", "--block"])
def test_half_a_launch(road: dict[str, Any], option: str) -> None:
    assert cli.main(["translate", "k.cu", "--to", "hip", option, "4"]) == 11


def test_json_errors(road: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["translate", "absent.cu", "--to", "hip", "--json"]) == 11
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "XP1001"
    assert "XP1001" in captured.err


def test_internal_errors_have_no_traceback(
    road: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    road["fail"]["hip"] = IndexError("list index out of range\nmore")
    argv = ["translate", "k.cu", "--to", "hip", "-o", "out"]
    assert cli.main(argv) == INTERNAL_ERROR
    error = capsys.readouterr().err
    assert error.startswith("internal error: IndexError: list index out of range\nhint: ")
    assert cli.main(["translate", "k.cu", "--to", "hip", "--json"]) == INTERNAL_ERROR
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "internal"
    assert "Traceback" not in error
    assert cli.main([*argv, "--debug"]) == INTERNAL_ERROR
    assert "Traceback" in capsys.readouterr().err


def test_interruption(road: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    road["fail"]["hip"] = KeyboardInterrupt()
    assert cli.main(["translate", "k.cu", "--to", "hip"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_lift_prints_tensorir_and_evidence(
    road: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lift", "k.cu"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# TensorIR\n")
    assert "source == flat" in printed
    assert "operators = source" in printed
    said = ["form: opaque", "computes: y = relu(x)", "note: k.cu:3:1: the loop leaves early"]
    said += ["note: the name suggests gelu", "assumes: n is 512"]
    said += ["holds where: n % 4 == 0 (the last are left out otherwise)"]
    said += ["bounds: 1 proved", "race: 1 refuted", "race: y: refuted by z3: tx = 0, tx' = 1"]
    assert "\n".join(said) + "\n" in printed
    assert cli.main(["lift", "k.cu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["proofs"]["counts"]["bounds"] == {"proved": 1, "refuted": 0, "unknown": 0}
    assert found["proofs"]["open"][0]["counterexample"] == {"tx": 0, "tx'": 1}
    assert found["evidence"][0]["worst"] == 0.5
    assert (found["rung"], found["assumptions"]) == ("opaque", ["n is 512"])


def test_exit_codes_follow_the_stage() -> None:
    assert exit_code(XpilerError("XP1001", "")) == 11
    assert exit_code(XpilerError("XP6004", "")) == 16


def test_usage_errors_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["translate"], ["translate", "k.cu"], ["fly"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(argv)
        assert stop.value.code == 2
    assert "usage: xpiler" in capsys.readouterr().err


# ---------------------------------------------------------------- the process


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xpiler_tvm.cli", *argv],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from xpiler_tvm.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tvm', 'numpy', 'rich', 'clang', 'z3', 'xgboost', 'openai'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "translate" in done.stdout


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("xpiler ")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m xpiler_tvm.cli doctor --json | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""


# ---------------------------------------------------------------- doctor


NAMES = [
    "Python", "Packages", "Pins", "C++ compiler", "TVM", "LLVM", "NVRTC", "nvcc", "hipcc", "cncc",
    "GPU", "AVX512-VNNI", "LLM", "Sandbox", "Cache",
]  # fmt: skip


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:14].strip() for line in lines] == NAMES
    assert all(line.split()[-1] for line in lines)
    assert code == 0, "this machine runs the tests"


def test_doctor_does_not_load_tvm_itself() -> None:
    code = (
        "import sys; from xpiler_tvm import doctor; doctor.findings(); "
        "assert 'tvm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_doctor_never_shows_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret-word@llm.local:8080/v1?key=secret")
    cli.main(["doctor", "--json"])
    printed = capsys.readouterr().out
    assert "secret" not in printed
    (row,) = (row for row in json.loads(printed) if row["name"] == "LLM")
    assert row["ok"] and row["detail"] == "https://llm.local:8080/v1, with a key"


def test_doctor_tells_a_wrong_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.metadata.version
    monkeypatch.setattr(
        doctor.metadata, "version", lambda name: "9.9" if name == "apache-tvm-ffi" else real(name)
    )
    for found in (doctor._packages(), doctor._pins()):
        assert not found.ok and found.needed
        assert "apache-tvm-ffi is 9.9, but" in found.detail
        assert "apache-tvm-ffi==0.1.14.post1" in found.advice


def test_doctor_on_a_bare_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a compiler, and with a TVM that does not load: the command fails and says why."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XPILER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("xpiler_tvm.emulation.compiler.find_spec", lambda name: None)
    (tmp_path / "tvm.py").write_text("raise ImportError('libtvm.so is damaged')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert cli.main(["doctor"]) == 16
    lines = {line[:14].strip(): line[14:] for line in capsys.readouterr().out.splitlines()}
    assert lines["C++ compiler"].startswith("MISSING")
    assert "-> install g++" in lines["C++ compiler"]
    assert "libtvm.so is damaged" in lines["TVM"] and "->" in lines["TVM"]
    assert lines["nvcc"].startswith("absent")
    assert lines["Cache"].startswith("ok") and lines["Cache"].rstrip().endswith(" 0 MB")


def test_doctor_tells_the_size_of_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "emulation").mkdir()
    (tmp_path / "emulation" / "a.so").write_bytes(bytes(3_000_000))
    monkeypatch.setenv("XPILER_CACHE_DIR", str(tmp_path))
    found = doctor._cache()
    assert (found.detail, found.advice) == (f"{tmp_path}, 3 MB", "")
    monkeypatch.setattr(doctor, "LARGE", 1e6)
    assert f"rm -r {tmp_path}" in doctor._cache().advice
