"""`xpiler translate`: write a kernel for other platforms."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckError, ReadError, SetupError
from ..kernel import DIALECTS, Kernel
from . import arguments, command, models, progress

if TYPE_CHECKING:
    from .. import Translation
    from . import Commands

# What a target's files end in, beside the report.
SUFFIXES = {
    "cuda": (".cu",),
    "hip": (".hip",),
    "bang": (".mlu",),
    "vnni": (".c", ".ll", ".s", ".so"),
    "opencl": (".cl",),
}
TARGETS = tuple(SUFFIXES)


def add(commands: Commands) -> None:
    """Register the command."""
    translate = command(
        commands,
        "translate",
        translate_file,
        summary="write a kernel for other platforms",
        examples=(
            "translate examples/softmax.cu --to hip,bang,vnni,cuda -o build/",
            "translate examples/softmax.cu --to hip --arg rows=128 --arg cols=256",
            "translate k.cu --to hip --grid 4 --block 128 --param 'x:float32[512]' "
            "--param 'y:float32[512]:out'",
            "translate - --dialect cuda --to hip -o - < k.cu > k.hip",
        ),
        parents=[arguments.source(), models.options(), arguments.common()],
    )
    add_options(translate)


def add_options(translate: argparse.ArgumentParser) -> None:
    """What a translation is asked for, beside its source."""
    translate.add_argument(
        "--to",
        required=True,
        metavar="TARGETS",
        help=f"any of {', '.join(TARGETS)}; all is {', '.join(DIALECTS)}",
    )
    translate.add_argument(
        "-o",
        "--output",
        default="build",
        metavar="DIR",
        help="where the files go (default: build); - prints the text of one target and no report",
    )
    translate.add_argument(
        "--main",
        action="store_true",
        help="add a main that runs the kernel on generated data and prints checksums",
    )
    translate.add_argument(
        "--scheduler",
        choices=("rules", "llm", "tuned"),
        default="rules",
        help="rules; llm: a model's choice where it costs less; tuned: what a search finds",
    )
    translate.add_argument(
        "--work-dir", metavar="DIR", help="records of searches, for --scheduler tuned"
    )


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


def translate_file(options: argparse.Namespace) -> int:
    """Carries the command out."""
    targets = parse_targets(options.to)
    kernel = arguments.kernel_of(options)
    to_stdout = options.output == arguments.STDIN
    if to_stdout and (len(targets) > 1 or options.json):
        raise ReadError("XP1014", "-o - prints the text of one target, and nothing else")
    source, output = Path(kernel.filename), Path(options.output)
    families = [target.partition(":")[0] for target in targets]
    if len(set(families)) < len(families):
        raise ReadError(
            "XP1014",
            f"of {', '.join(targets)} two would write the same files",
            hint="translate for one after the other, each with its own -o",
        )
    names = [source.stem + suffix for family in families for suffix in SUFFIXES[family]]
    if not to_stdout:
        _check_output(source, output, names)

    translations = _translations(options, kernel, targets)
    if to_stdout:
        print(translations[targets[0]].source, end="")
        return 0
    text, written = _written(translations, source, output)
    if options.json:
        print(text, end="")
        return 0
    from .. import report

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


def _translations(
    options: argparse.Namespace, kernel: Kernel, targets: Sequence[str]
) -> dict[str, Translation]:
    """The kernel for each target. Raises `XpilerError` where there is none for one of them."""
    import xpiler_tvm as xt

    found: dict[str, Translation] = {}
    with (
        models.client_of(options) as client,
        progress.shown("lifting", quiet=options.json or client is not None) as show,
    ):
        lifted = xt.lift(kernel, lifter=options.lifter, llm=client)
        for target in targets:
            show(f"{arguments.name_of(options.file)} -> {target}")
            found[target] = xt.transcompile(
                lifted,
                target,
                main=options.main,
                scheduler=options.scheduler,
                llm=client,
                db=options.work_dir,
            )
            _refuse_refuted(target, found[target])
    return found


def _written(
    translations: Mapping[str, Translation], source: Path, output: Path
) -> tuple[str, list[Path]]:
    """Writes all files or none: the text of the report, and the paths."""
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        finished = Path(folder) / "finished"
        finished.mkdir()
        for target, result in translations.items():
            part = Path(folder) / target
            part.mkdir()
            for path in map(Path, result.export(part)):
                if not path.name.endswith("report.json"):
                    shutil.move(path, finished / path.name)
        summary = {
            "file": source.name,
            "entry": next(iter(translations.values())).lifted.kernel.entry,
            "version": arguments.version(),
            "targets": {target: result.report for target, result in translations.items()},
        }
        text = json.dumps(summary, indent=2, default=str) + "\n"
        (finished / f"{source.stem}.report.json").write_text(text, encoding="utf-8")
        _check_output(source, output, [path.name for path in finished.iterdir()])
        return text, _publish(finished, output)


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
