"""The `xpiler` command.

Exit codes: 0 done; 1 `check` found a fault or a difference; 2 wrong usage; 11 to 16 an error of
stage 1 to 6 (the first digit of its code: `XP1…` reading, … `XP6…` environment); 70 an error of
ours; 130 interrupted.

Nothing heavy is imported before it is needed, so that `xpiler --help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dialects.bang import KINDS
from .errors import CheckError, ReadError, SetupError, XpilerError
from .extents import Extent, checked, names_of
from .kernel import DIALECTS, Kernel, Launch, Param, Scalar, Size, Tensor

if TYPE_CHECKING:
    from . import Translation

FOUND_WRONG = 1
INTERNAL_ERROR = 70
INTERRUPTED = 130
# What a target's files end in, beside the report.
SUFFIXES = {
    "cuda": (".cu",),
    "hip": (".hip",),
    "bang": (".mlu",),
    "vnni": (".c", ".ll", ".s", ".so"),
    "opencl": (".cl",),
}
TARGETS = tuple(SUFFIXES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.action(options)
        sys.stdout.flush()
        return code
    except XpilerError as error:
        print(error, file=sys.stderr)
        if options.json:
            print(json.dumps({"error": _error_dict(error)}, indent=2))
        return exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; keep Python from failing again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        message = f"{type(error).__name__}: {lines[0]}"
        if options.json:
            print(json.dumps({"error": {"code": "internal", "message": message}}, indent=2))
        print(
            f"internal error: {message}\n"
            "hint: this is a defect of xpiler, not of your file; report it with the file, the "
            "output of `xpiler doctor` and of this command with --debug",
            file=sys.stderr,
        )
        return INTERNAL_ERROR


def exit_code(error: XpilerError) -> int:
    """10 and the stage's digit: 11 for `XP1…`."""
    return 10 + int(error.code[2])


def _error_dict(error: XpilerError) -> dict[str, Any]:
    from .report import span_as_dict

    place = span_as_dict(error.span)
    return {"code": error.code, "message": error.message, **place, "hint": error.hint}


# ---------------------------------------------------------------- the parser


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of tables")
    common.add_argument("--debug", action="store_true", help="show tracebacks of internal errors")

    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("file", help="the file that holds the kernel")
    source.add_argument("--dialect", help=f"{', '.join(DIALECTS)}; else told by the file's suffix")
    source.add_argument("--entry", help="the kernel, or an instance: softmax, 'gemm<16>'")
    source.add_argument("--grid", metavar="X[,Y[,Z]]", help="blocks of the launch, as in 4 or 16x8")
    source.add_argument("--block", metavar="X[,Y[,Z]]", help="threads of a block")
    source.add_argument("--shared", metavar="BYTES", help="dynamic shared memory of the launch")
    source.add_argument("--tasks", metavar="X[,Y[,Z]]", help="tasks of a job of BANG C")
    source.add_argument("--kind", help=f"the job's type: {', '.join(KINDS)} (default: block)")
    source.add_argument(
        "--mode",
        choices=("strict", "lenient"),
        help="how BANG C is read: by the hardware's rules, or as public kernels mean it",
    )
    source.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="SPEC",
        help="a parameter of the kernel, in order: 'x:float32[64,64]', 'y:float32[512]:out', "
        "'x:float32[]' (extent inferred), 'n:int32=512', 'a:float32'",
    )
    source.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value for an argument of the host wrapper, or for a scalar of the kernel",
    )
    source.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME[=LEAST:MOST[:MULTIPLE]]",
        help="a name that stays symbolic in --param and --grid, as in --grid '(n + 255) / 256', or "
        "an argument of the host wrapper (of targets: cuda and hip)",
    )

    parser = argparse.ArgumentParser(
        prog="xpiler",
        description="Translate a GPU kernel to other platforms, with evidence by execution.",
    )
    parser.add_argument("--version", action="version", version=f"xpiler {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    translate = commands.add_parser(
        "translate", parents=[source, common], help="write a kernel for other platforms"
    )
    translate.add_argument(
        "--to",
        required=True,
        metavar="TARGETS",
        help=f"any of {', '.join(TARGETS)}; all is {', '.join(DIALECTS)}",
    )
    translate.add_argument(
        "-o", "--output", default="build", metavar="DIR", help="where the files go (default: build)"
    )
    translate.add_argument(
        "--main",
        action="store_true",
        help="add a main that runs the kernel on generated data and prints checksums",
    )
    translate.set_defaults(action=_translate)

    lift = commands.add_parser(
        "lift", parents=[source, common], help="print a kernel's TensorIR and its evidence"
    )
    lift.add_argument(
        "--explain", action="store_true", help="show what each pass changed, as differences"
    )
    lift.set_defaults(action=_lift)

    check = commands.add_parser(
        "check",
        parents=[source, common],
        help="look for faults in a kernel, or compare two of any dialects",
        description="Run a kernel with every access watched and print what is wrong with it. With "
        "two kernels also compare what they compute, from the same inputs; what one file does not "
        "say of its parameters is taken from the other.",
    )
    _add_check_options(check)
    check.set_defaults(action=_check)

    doctor = commands.add_parser(
        "doctor", parents=[common], help="say what is installed and what is missing"
    )
    doctor.set_defaults(action=_doctor)
    return parser


def _add_check_options(check: argparse.ArgumentParser) -> None:
    check.add_argument("other", nargs="?", help="a second file, to be compared with the first")
    check.add_argument("--arch", help="the device: sm_80, gfx90a, mtp_592, …")
    second = check.add_argument_group("the second file, where it says less than the first")
    for option, text in (
        ("dialect", "its dialect"),
        ("entry", "its kernel"),
        ("grid", "blocks of its launch"),
        ("block", "threads of a block"),
        ("shared", "bytes of dynamic shared memory"),
        ("tasks", "tasks of a job of BANG C"),
        ("kind", "the job's type"),
        ("arch", "the device"),
    ):
        second.add_argument(f"--{option}-b", help=text)
    second.add_argument("--param-b", action="append", default=[], metavar="SPEC")
    second.add_argument("--arg-b", action="append", default=[], metavar="NAME=VALUE")
    check.add_argument(
        "--seed",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="of the inputs; may be given several times (default: 0 and 1)",
    )
    check.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="CPU seconds that one run may take (default: 60)",
    )
    check.add_argument(
        "--allow-unwritten",
        action="store_true",
        help="an output may be written in part",
    )


def _version() -> str:
    try:
        return metadata.version("xpiler-tvm")
    except metadata.PackageNotFoundError:
        return "(not installed)"


# ---------------------------------------------------------------- what the user says


def _kernel(options: argparse.Namespace) -> Kernel:
    sizes = tuple(parse_size(spec) for spec in options.size)
    names = [size.name for size in sizes]
    kernel = Kernel.from_file(
        options.file,
        dialect=options.dialect,
        entry=options.entry,
        params=tuple(parse_param(spec, names) for spec in options.param) or None,
        launch=_launch(options, names),
        args=dict(parse_arg(spec) for spec in options.arg),
    )
    return replace(kernel, mode=options.mode or kernel.mode, sizes=sizes)


def _other_kernel(options: argparse.Namespace) -> Kernel | None:
    """The second file of `check`, described by the options with -b."""
    given = vars(options)
    mine = {name: given[f"{name}_b"] for name in _OF_EACH}
    if options.other is None:
        extra = next((name for name in _OF_EACH if mine[name]), None)
        if extra is not None:
            raise ReadError("XP1014", f"--{extra}-b is about a second file, and there is none")
        return None
    return _kernel(argparse.Namespace(file=options.other, mode=options.mode, size=[], **mine))


_OF_EACH = (
    "dialect", "entry", "grid", "block", "shared", "tasks", "kind", "param", "arg", "arch",
)  # fmt: skip


def _launch(options: argparse.Namespace, sizes: Collection[str]) -> Launch | None:
    tasks, kind = options.tasks, options.kind
    if tasks is not None:
        if options.grid is not None or options.block is not None:
            raise ReadError("XP1014", "--tasks is for BANG C, --grid and --block are for a GPU")
        return Launch(tasks=parse_extents("--tasks", tasks), kind=_kind(kind or "block"))
    if kind is not None:
        raise ReadError("XP1006", "--kind needs --tasks", hint="as in --tasks 4 --kind union1")
    if options.grid is None and options.block is None:
        if options.shared is not None:
            raise ReadError("XP1006", "--shared needs --grid and --block")
        return None
    if options.grid is None or options.block is None:
        missing = "--grid" if options.grid is None else "--block"
        raise ReadError(
            "XP1006", f"the launch lacks {missing}", hint="give both: --grid 4 --block 128"
        )
    shared = options.shared or "0"
    if not shared.isdigit():
        raise ReadError("XP1014", f"--shared {shared!r} is no number of bytes")
    return Launch(
        grid=parse_extents("--grid", options.grid, sizes),
        block=parse_extents("--block", options.block),
        shared_bytes=int(shared),
    )


def _kind(name: str) -> str:
    if name not in KINDS:
        raise ReadError("XP1014", f"--kind {name!r} is none", hint=f"one of {', '.join(KINDS)}")
    return name


def parse_extents(what: str, text: str, sizes: Collection[str] = ()) -> tuple[Extent, ...]:
    """`4`, `4,2,1` or `16x16` as a tuple of integers.

    Expressions in `sizes` are separated by commas: `(n + 255) / 256, m` is two extents.
    """
    words = [word.strip() for word in text.replace("x", ",").split(",")]
    if not all(word.isdigit() for word in words):
        words = [word.strip() for word in _OUTSIDE_PARENTHESES.split(text)]
    if not all(word.isdigit() or _is_expression(word, sizes) for word in words):
        raise ReadError(
            "XP1014",
            f"{what} {text!r} is malformed",
            hint="as in 4, 16x16 or 4,2,1 (x first); names are given as --size",
        )
    return tuple(map(checked, words))


def _is_expression(text: str, sizes: Collection[str]) -> bool:
    """Whether a text is an expression in sizes, and in nothing else."""
    try:
        names = names_of(text)
    except ReadError:
        return False
    return bool(names) and set(names) <= set(sizes)


_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def parse_size(spec: str) -> Size:
    """`n`, `n=1:4096` or `n=32:4096:32` as a size with its range and what it is a multiple of."""
    name, equals, text = spec.partition("=")
    words = text.split(":") if equals else []
    if len(words) not in (0, 2, 3) or not all(word.strip().isdigit() for word in words):
        raise ReadError(
            "XP1014", f"--size {spec!r} is malformed", hint="as in n, n=1:4096 or n=32:4096:32"
        )
    return Size(name.strip(), *(int(word) for word in words))


def parse_arg(spec: str) -> tuple[str, int | float]:
    """`n=512` as a pair."""
    name, equals, value = spec.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ReadError("XP1014", f"--arg {spec!r} is malformed", hint="as in --arg rows=4096")
    return name.strip(), _number(f"--arg {spec!r}", value)


def parse_param(spec: str, sizes: Collection[str] = ()) -> Param:
    """A parameter: `x:float32[64,64]:out` is a tensor, `n:int32=512` a scalar.

    Extents and values may be expressions in `sizes`.

    `x:float32[]` is a tensor whose extent is to be inferred, `a:float32` a scalar without a value.
    """
    what = f"--param {spec!r}"
    malformed = ReadError(
        "XP1014",
        f"{what} is malformed",
        hint="as in 'x:float32[64,64]', 'y:float32[512]:out', 'x:float32[]' or 'n:int32=512'",
    )
    name, *parts = (part.strip() for part in spec.split(":"))
    if not name.isidentifier() or len(parts) not in (1, 2):
        raise malformed
    kind, equals, value = parts[0].partition("=")
    dtype, bracket, extents = kind.partition("[")
    if not bracket:
        if len(parts) == 2:
            raise malformed
        if equals and _is_expression(value, sizes):
            return Scalar(name, dtype.strip(), equals=value.strip())
        return Scalar(name, dtype.strip(), _number(what, value) if equals else None)
    if not extents.endswith("]") or equals:
        raise malformed
    intent: Any = parts[1] if len(parts) == 2 else "in"
    inside = extents[:-1].strip()
    shape = parse_extents(what, inside, sizes) if inside else None
    return Tensor(name, shape, dtype.strip(), intent)


def _number(what: str, text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ReadError("XP1014", f"{what}: {text!r} is no number") from None


def parse_targets(text: str) -> tuple[str, ...]:
    """`hip,bang` as a tuple of targets, each once; `all` is every dialect."""
    words = DIALECTS if text.strip() == "all" else text.split(",")
    targets = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    for target in targets:
        if target.partition(":")[0] not in TARGETS:
            raise ReadError(
                "XP1012", f"{target!r} is no target", hint=f"any of {', '.join(TARGETS)}"
            )
    if not targets:
        raise ReadError("XP1012", "--to names no target", hint=f"any of {', '.join(TARGETS)}")
    return targets


# ---------------------------------------------------------------- commands


def _translate(options: argparse.Namespace) -> int:
    targets = parse_targets(options.to)
    kernel = _kernel(options)
    source, output = Path(options.file), Path(options.output)
    families = [target.partition(":")[0] for target in targets]
    names = [source.stem + suffix for family in families for suffix in SUFFIXES[family]]
    _check_output(source, output, names)

    import xpiler_tvm as xt

    from . import report

    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        finished = Path(folder) / "finished"
        finished.mkdir()
        lifted = xt.lift(kernel)
        translations: dict[str, Translation] = {}
        for target in targets:
            result = xt.transcompile(lifted, target, main=options.main)
            _refuse_refuted(target, result)
            part = Path(folder) / target
            part.mkdir()
            for path in map(Path, result.export(part)):
                if not path.name.endswith("report.json"):
                    shutil.move(path, finished / path.name)
            translations[target] = result
        summary = {
            "file": source.name,
            "entry": lifted.kernel.entry,
            "version": _version(),
            "targets": {target: result.report for target, result in translations.items()},
        }
        text = json.dumps(summary, indent=2, default=str) + "\n"
        (finished / f"{source.stem}.report.json").write_text(text, encoding="utf-8")
        _check_output(source, output, [path.name for path in finished.iterdir()])
        written = _publish(finished, output)

    if options.json:
        print(text, end="")
        return 0
    sections = [
        report.Section(
            f"{source.name} -> {target}",
            tuple(result.evidence),
            result.seconds,
            report.remarks(result.report),
        )
        for target, result in translations.items()
    ]
    report.show(sections, sys.stdout)
    for path in written:
        print(f"wrote {path}")
    return 0


def _refuse_refuted(target: str, result: Translation) -> None:
    """A result with evidence against it is never written, whoever let it through."""
    for check in result.evidence:
        if check.verdict == "refuted":
            raise CheckError("XP5001", f"{target}: {check.name}: {check.detail}")


def _check_output(source: Path, output: Path, names: Sequence[str]) -> None:
    """Refuse before the work what could not be written after it."""
    for name in names:
        if (output / name).resolve() == source.resolve():
            raise SetupError(
                "XP6004",
                f"{output / name} is the input file itself",
                hint="choose another folder with -o",
            )
    folder = output
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise SetupError("XP6004", f"{output} cannot be a folder: {folder} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SetupError("XP6004", f"{folder} is not writable", hint="choose a folder with -o")


def _publish(finished: Path, output: Path) -> list[Path]:
    """Move the finished files to the output folder, each in one step."""
    written = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path in sorted(finished.iterdir()):
            partial = output / f".{path.name}.partial"
            shutil.copyfile(path, partial)
            os.replace(partial, output / path.name)
            written.append(output / path.name)
    except OSError as error:
        raise SetupError(
            "XP6004", f"{output} cannot be written: {error.strerror or error}"
        ) from None
    return written


def _lift(options: argparse.Namespace) -> int:
    kernel = _kernel(options)

    import xpiler_tvm as xt

    from . import report
    from .frontends.raising.steps import differences

    lifted = xt.lift(kernel, each_pass=options.explain)
    script = lifted.mod.script()
    about = {
        "rung": lifted.rung,
        "operators": [str(operator) for operator in lifted.operators],
        "notes": [*lifted.notes, *lifted.recognised.notes],
        "assumptions": list(lifted.assumptions),
        "conditions": list(map(str, lifted.conditions)),
    }
    checks = [*lifted.evidence, lifted.recognised.check()]
    changes = list(differences(lifted.steps())) if options.explain else []
    if options.json:
        found = {"file": options.file, "entry": lifted.kernel.entry, "tir": script, **about}
        found["proofs"] = report.proofs_as_dict(lifted.obligations)
        if changes:
            found["passes"] = [{"name": name, "diff": diff} for name, diff in changes]
        print(json.dumps({**found, **report.as_dict(checks, lifted.seconds)}, indent=2))
        return 0
    if changes:
        print(lifted.flat.script())
        report.show_changes(changes, sys.stdout)
    print(script)
    evidence = tuple(checks)
    said = (*report.remarks(about), *report.proofs(lifted.obligations))
    report.show(
        [report.Section(Path(options.file).name, evidence, lifted.seconds, said)], sys.stdout
    )
    return 0


def _check(options: argparse.Namespace) -> int:
    first, second = _kernel(options), _other_kernel(options)
    if options.seconds <= 0:
        raise ReadError("XP1014", f"--seconds {options.seconds:g} is no time to run")
    if any(seed < 0 for seed in options.seed):
        raise ReadError("XP1014", "--seed takes numbers from 0")

    import xpiler_tvm as xt

    from . import report

    found = xt.check(
        first,
        second,
        seeds=tuple(options.seed) or (0, 1),
        arch=options.arch,
        arch_b=options.arch_b,
        mode=options.mode,
        seconds=options.seconds,
        allow_unwritten=options.allow_unwritten,
    )
    code = 0 if found.ok else FOUND_WRONG
    if options.json:
        print(json.dumps({"version": _version(), **found.as_dict()}, indent=2))
        return code
    for finding in found.findings:
        print(f"{finding}\n")
    report.show([report.Section(found.title, found.checks, {}, found.notes)], sys.stdout)
    return code


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import findings

    found = findings()
    if options.json:
        print(json.dumps([vars(finding) for finding in found], indent=2))
    else:
        width = max(len(finding.name) for finding in found)
        for finding in found:
            advice = f"  -> {finding.advice}" if finding.advice else ""
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
            print(f"{finding.name:<{width}}  {mark:<7}  {finding.detail}{advice}")
    broken = any(finding.needed and not finding.ok for finding in found)
    return 16 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
