"""Bad input as a new user would give it: a coded error, its place, an exit code, no files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from xpiler_tvm import cli
from xpiler_tvm.errors import (
    CODES,
    CheckError,
    EmitError,
    LiftError,
    ModelError,
    ReadError,
    ScheduleError,
    SetupError,
    Span,
    XpilerError,
)

ROOT = Path(__file__).parent.parent
INPUTS = Path(__file__).parent / "bad_inputs"

GRID = ("--grid", "1", "--block", "64")
PARAMS = ("--param", "x:float32[64]", "--param", "y:float32[64]:out", "--param", "n:int32=64")
INTS = ("--param", "x:int32[64]", "--param", "d:int32[64]")
LAUNCH = (*GRID, *PARAMS)


@dataclass(frozen=True)
class Bad:
    """`file` with `options` must end with one of `codes`, at the first place of `at` in the file.

    Two codes stand where it depends on the depth of the static analysis whether an error is found
    before or during the run.
    """

    file: str
    codes: tuple[str, ...]
    options: tuple[str, ...] = LAUNCH
    at: str = ""
    to: str = "hip"

    def __str__(self) -> str:
        extra = "" if self.options in (LAUNCH, ()) else "-" + self.options[-1]
        return f"{self.file}-{self.codes[0]}{extra}"


BAD = [
    # the file
    Bad("absent.cu", ("XP1001",)),
    Bad(".", ("XP1012", "XP1001")),
    Bad("garbage.cu", ("XP1001",)),
    Bad("nul.cu", ("XP1001",), (*GRID, "--param", "y:float32[64]:out")),
    Bad("empty.cu", ("XP1005",)),
    Bad("no_kernel.cu", ("XP1005",)),
    Bad("syntax_error.cu", ("XP1002",), at="\n    y[i]"),
    Bad("type_error.cu", ("XP1002",), at="= y[i]"),
    Bad("good.cu", ("XP1003",), (*LAUNCH, "--entry", "cpoy")),
    Bad("good.cu", ("XP1012",), (*LAUNCH, "--dialect", "opencl")),
    Bad("two_kernels.cu", ("XP1004",)),
    # what the user says about it
    Bad("good.cu", ("XP1006",), ()),
    Bad("good.cu", ("XP1006",), GRID),
    Bad("good.cu", ("XP1006",), PARAMS),
    Bad("good.cu", ("XP1007",), (*GRID, *PARAMS[:2])),
    Bad("good.cu", ("XP1007",), (*LAUNCH, "--param", "m:int32=3")),
    Bad("good.cu", ("XP1007",), (*GRID, "--param", "x:int32[64]", *PARAMS[2:])),
    Bad("good.cu", ("XP1007",), (*GRID, "--param", "x:float32=1", *PARAMS[2:])),
    Bad("good.cu", ("XP1007",), (*GRID, *PARAMS[:2], "--param", "z:float32[64]:out", *PARAMS[4:])),
    Bad("good.cu", ("XP1014",), (*GRID, "--param", "x;float32[64]")),
    Bad("good.cu", ("XP1014",), (*GRID, "--param", "x:float[64]")),
    Bad("good.cu", ("XP1014",), ("--grid", "one", "--block", "64", *PARAMS)),
    Bad("good.cu", ("XP1014",), (*LAUNCH, "--arg", "n")),
    Bad("good.cu", ("XP1014",), (*LAUNCH, "--arg", "size=64")),
    Bad("good.cu", ("XP1011",), ("--grid", "0", "--block", "64", *PARAMS)),
    Bad("good.cu", ("XP1011",), ("--grid", "1", "--block", "2048", *PARAMS)),
    Bad("good.cu", ("XP1011",), ("--grid", "1", "--block", "2,2,65", *PARAMS)),
    Bad("good.cu", ("XP1011",), (*LAUNCH, "--shared", "1000000000")),
    Bad("good.cu", ("XP1012",), to="metal"),
    # the host code
    Bad("launch_2048.cu", ("XP1011",), ()),
    Bad("host_endless.cu", ("XP1013",), ("--arg", "n=64"), at="while"),
    Bad("host_data.cu", ("XP1013",), (), at="sizes[0]"),
    Bad("host_missing_argument.cu", ("XP1006",), ("--arg", "rows=4"), at="void run("),
    Bad("host_missing_argument.cu", ("XP1014",), ("--arg", "columns=4")),
    # the device code
    Bad("inline_ptx.cu", ("XP1008",), at="asm"),
    Bad("reserved_name.cu", ("XP1016",), at="XP_index"),
    Bad("goto.cu", ("XP1009",), at="goto"),
    Bad("printf.cu", ("XP1009", "XP1010"), at="printf(\"thread"),
    Bad("recursion.cu", ("XP1009",), at="power(x, n - 1)"),
    Bad("unknown_function.cu", ("XP1010",), at="frobnicate"),
    Bad("texture.cu", ("XP1010",), at="cudaTextureObject_t"),
    Bad(
        "indirect.cu",
        ("XP1015",),
        (*GRID, "--param", "x:float32[]", "--param", "index:int32[64]", *PARAMS[2:4]),
    ),
    Bad("divergent_barrier.cu", ("XP2001", "XP5008"), at="__syncthreads"),
    Bad("endless_loop.cu", ("XP2002", "XP5004"), at="while"),
    Bad("division_by_zero.cu", ("XP2004", "XP5006"), (*GRID, *PARAMS[:4], "--param", "n:int32=0")),
    Bad(
        "division_by_data.cu",
        ("XP2004", "XP5006"),
        (*GRID, *INTS[:4], "--param", "y:int32[64]:out"),
    ),
    Bad("writes_nothing.cu", ("XP2005",)),
    Bad("out_of_bounds.cu", ("XP2006", "XP5002")),
    Bad("out_of_bounds_shared.cu", ("XP2006", "XP5002")),
    Bad("out_of_bounds_data.cu", ("XP2006",), at="y[at]"),
    # the wrong shape
    Bad("good.cu", ("XP2006", "XP5002"), (*GRID, "--param", "x:float32[8,4]", *PARAMS[2:])),
]  # fmt: skip


def place(bad: Bad) -> tuple[int, int]:
    """Line and column of the first place of `bad.at`."""
    text = (INPUTS / bad.file).read_text()
    offset = text.index(bad.at)
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def argv(bad: Bad, output: Path) -> list[str]:
    return ["translate", str(INPUTS / bad.file), "--to", bad.to, "-o", str(output), *bad.options]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_input(bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    code = cli.main(argv(bad, output))
    captured = capsys.readouterr()
    first = captured.err.splitlines()[0]
    where, _, rest = first.rpartition("error ")
    found = rest.partition(":")[0]
    assert found in bad.codes, captured.err
    assert code == 10 + int(found[2])
    assert captured.out == ""
    assert not output.exists()
    assert "Traceback" not in captured.err
    # A cause that only a run can show has no place in the source.
    if bad.at and not (found.startswith("XP5") and not where):
        line, column = place(bad)
        assert where.startswith(f"{INPUTS / bad.file}:{line}:{column}:"), captured.err
        assert "^" in captured.err


@pytest.mark.parametrize(
    "name", ["syntax_error.cu", "garbage.cu", "endless_loop.cu", "out_of_bounds_data.cu"]
)
def test_bad_input_as_a_process(name: str, tmp_path: Path) -> None:
    bad = next(bad for bad in BAD if bad.file == name)
    output = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "xpiler_tvm.cli", *argv(bad, output)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 11 <= done.returncode <= 16
    assert any(f"error {code}: " in done.stderr for code in bad.codes)
    assert "Traceback" not in done.stderr
    assert not output.exists()


def test_lift_of_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lift", str(INPUTS / "inline_ptx.cu"), *LAUNCH]) == 11
    assert "error XP1008" in capsys.readouterr().err


# ---------------------------------------------------------------- the codes and their page


def sections() -> dict[str, str]:
    """Code -> text of `docs/errors.md`, with the heading's title as the first line."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (ROOT / "docs" / "errors.md").read_text().splitlines():
        if line.startswith("### "):
            code, _, title = line[4:].partition(": ")
            assert code not in found
            current = found[code] = [title]
        elif line.startswith("## "):
            current = []
        else:
            current.append(line)
    return {code: "\n".join(lines) for code, lines in found.items()}


def test_the_page_has_every_code() -> None:
    page = sections()
    assert list(page) == list(CODES)
    for code, text in page.items():
        title, _, body = text.partition("\n")
        assert title == CODES[code]
        assert len(body.split()) > 20, f"{code} says too little"
        assert "**Do:**" in body, f"{code} does not say what to do"


def test_codes_are_tried() -> None:
    """Every code of reading, and the ones that the table names, exist."""
    assert {code for bad in BAD for code in bad.codes} <= set(CODES)
    reading = {code for code in CODES if code.startswith("XP1")}
    assert reading <= {code for bad in BAD for code in bad.codes}


@pytest.mark.parametrize(
    ("family", "stage"),
    [
        (ReadError, 1),
        (LiftError, 2),
        (ScheduleError, 3),
        (EmitError, 4),
        (CheckError, 5),
        (SetupError, 6),
        (ModelError, 7),
    ],
)
def test_families_have_their_stage(family: type[XpilerError], stage: int) -> None:
    for code in CODES:
        if code.startswith(f"XP{stage}"):
            assert family(code, "m").code == code
        else:
            with pytest.raises(ValueError):
                family(code, "m")


def test_error_text_has_place_caret_and_hint() -> None:
    span = Span("k.cu", 3, 6, 4, "\t  asm(x);")
    error = ReadError("XP1008", "no assembly", span=span, hint="write C++")
    assert str(error).splitlines() == [
        "k.cu:3:6: error XP1008: no assembly",
        "  \t  asm(x);",
        "  \t    ^^^^",
        "hint: write C++",
    ]


def test_errors_survive_pickling() -> None:
    import pickle

    error = CheckError("XP5002", "outside", span=Span("k.cu", 1, 2), hint="h")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.span) == (CheckError, str(error), error.span)
