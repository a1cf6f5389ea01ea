"""Facts on the pages of dialects, targets and commands, from the tables in the code.

A hook of mkdocs: `<!-- facts: dialect cuda -->` in a page becomes what is stated of CUDA in
`tests/frontends/constructs.py`, `xpiler_tvm/dialects/` and `xpiler_tvm/errors.py`, so that no page
repeats what the code says. `python docs/facts.py dialect cuda` prints the same.
"""

from __future__ import annotations

import argparse
import inspect
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"<!-- facts: (\w+) ?(\w*) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What mkdocs calls with each page."""
    return MARK.sub(lambda found: facts(found[1], found[2]), markdown)


def facts(kind: str, name: str = "") -> str:
    """The Markdown of one marker."""
    return "\n".join(_commands() if kind == "commands" else _OF[kind](name))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)
    yield ""


# ---------------------------------------------------------------- dialects


def _dialect(name: str) -> Iterator[str]:
    from xpiler_tvm.errors import CODES
    from xpiler_tvm.kernel import SUFFIXES

    suffixes = [f"`{suffix}`" for suffix, dialect in SUFFIXES.items() if dialect == name]
    yield f"Files: {', '.join(suffixes)}, or any with `--dialect {name}`."
    yield ""
    found, assumptions = list(_constructs(name)), _tested()["ASSUMED"]
    yield from ("## What is not supported", "")
    refused = ((what, verdict) for what, verdict in found if verdict.startswith("XP"))
    rows = ((what, _linked(code), CODES[code]) for what, code in refused)
    yield from table(("construct", "code", "which is"), rows)
    yield from _unsupported_functions(name)
    yield from ("## What is read under an assumption", "")
    trusted = ((what, verdict[6:]) for what, verdict in found if verdict.startswith("read: "))
    yield from table(("construct", "assuming that"), ((w, assumptions[v]) for w, v in trusted))
    yield from ("## What is read", "")
    # In tables, where the same names stand, bars are escaped.
    yield from ("* " + what.replace("\\|", "|") for what, verdict in found if verdict == "read")
    yield from ("", "## What it is run as", "")
    yield from _devices(name)


def _linked(code: str) -> str:
    """A code with a link to what the page of errors says of it."""
    from xpiler_tvm.errors import CODES

    title = re.sub(r"[^\w ]", "", f"{code} {CODES[code]}").lower().replace(" ", "-")
    return f"[{code}](../errors.md#{title})"


def _tested() -> dict[str, Any]:
    """What tests hold the readers to."""
    return runpy.run_path(str(ROOT / "tests" / "frontends" / "constructs.py"))


def _constructs(dialect: str) -> Iterator[tuple[str, str]]:
    """Constructs and their verdicts."""
    for constructs in _tested()["SECTIONS"].values():
        for construct in constructs:
            verdict = construct.verdict_in(dialect)
            if verdict:
                yield construct.name, verdict


def _unsupported_functions(dialect: str) -> Iterator[str]:
    from xpiler_tvm.dialects.bang_names import UNSUPPORTED

    if dialect == "bang":
        rows = ((f"`{name}`", why) for name, why in sorted(UNSUPPORTED.items()))
        yield from table(("function", "why not"), rows)


def _devices(dialect: str) -> Iterator[str]:
    from xpiler_tvm.dialects.bang import ARCHS
    from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS
    from xpiler_tvm.processor import FEATURES

    if dialect == "bang":
        head = ("`--arch`", "cores", "NRAM of a core", "WRAM of a core", "SRAM of a cluster")
        rows = ((a.name, a.cores, *map(_kib, (a.nram, a.wram, a.sram))) for a in ARCHS.values())
        yield from table(head, rows)
    elif dialect == "vnni":
        yield "The processor's own intrinsics where it has them, else loops over their lanes. For"
        yield f"libraries, LLVM's names of processors: {', '.join(f'`{one}`' for one in FEATURES)}."
        yield ""
    else:
        gpus = [gpu for gpu in GPUS.values() if gpu.dialect == dialect]
        gpus.sort(key=lambda gpu: gpu.name != DEFAULT_GPUS[dialect])
        head = ("`--arch`, the default first", "lanes", "shared memory declared", "with dynamic")
        rows = ((g.name, g.warp, _kib(g.static_shared), _kib(g.shared)) for g in gpus)
        yield from table(head, rows)


def _kib(size: int) -> str:
    return f"{size // 1024} KiB"


# ---------------------------------------------------------------- targets


def _target(name: str) -> Iterator[str]:
    from xpiler_tvm import targets
    from xpiler_tvm.kernel import DTYPES
    from xpiler_tvm.translation_symbolic import SYMBOLIC_TARGETS

    spec = targets.get(name)
    limits, types = spec.limits, _printer(name).types
    rules = [f"`{rule.name}`" for rule in spec.schedule_rules()[0]]
    missing = [f"`{dtype}`" for dtype in DTYPES if dtype not in types]
    command = " ".join(spec.compiler.command)
    yield from (f"{spec.title}: `--to {name}` writes `{spec.suffix}`.", "")
    yield from ("## What is not supported", "")
    yield f"* Element types without one in this language: {', '.join(missing) or 'none'} (XP4001)."
    if name not in SYMBOLIC_TARGETS:
        yield "* Symbolic sizes: a translation is for the sizes that it is given (XP2007)."
    if limits.max_threads:
        yield f"* Blocks of more than {limits.max_threads} threads."
    most = (f"{axis.tag} up to {axis.most}" for axis in limits.axes)
    if limits.axes:
        yield f"* Launches beyond these extents: {', '.join(most)}."
    yield "* Programs whose arrays do not fit the memories below (XP4002)."
    yield from ("", "## Memories of a block, task or thread", "")
    head = ("scope in TensorIR", "bytes", "arrays begin at multiples of")
    yield from table(head, ((f"`{m.scope}`", m.size, m.alignment) for m in limits.memories))
    yield from ("## How a schedule is found", "")
    yield f"Rules, the first that applies: {', '.join(rules)}. XP3001 has the reason of each where"
    yield "none does."
    yield from ("", "## How it is checked", "")
    ran = "by the target's own means" if spec.runner else "in the emulator"
    yield f"What is emitted runs {ran} on the inputs of the source, and on hardware where there is"
    yield f"some. Where it is installed, `{command}` looks at the file."
    yield ""


def _printer(target: str) -> Any:
    from xpiler_tvm.codegen.c_vnni import C_VNNI
    from xpiler_tvm.codegen.cuda import CUDA
    from xpiler_tvm.codegen.hip import HIP
    from xpiler_tvm.codegen.opencl import OPENCL
    from xpiler_tvm.codegen_bang.spaces import BANG

    return {"cuda": CUDA, "hip": HIP, "bang": BANG, "vnni": C_VNNI, "opencl": OPENCL}[target]


# ---------------------------------------------------------------- the command


def _commands() -> Iterator[str]:
    from xpiler_tvm import cli
    from xpiler_tvm.commands import ending

    yield from ("## Exit codes", "")
    yield from (inspect.getdoc(ending) or "").split("\n\n", 1)[1].splitlines()
    yield from ("", "## Commands", "")
    for parser in _leaves(cli.parser()):
        examples = (parser.epilog or "").partition("\n")[2].splitlines()
        yield from (f"### {parser.prog}", "", parser.description or "", "", "```console")
        yield from (line.strip() for line in examples)
        yield from ("```", "")


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for each in dict.fromkeys(action.choices.values()):
            yield from _leaves(each)


_OF: dict[str, Callable[[str], Iterator[str]]] = {"dialect": _dialect, "target": _target}

if __name__ == "__main__":
    print(facts(*sys.argv[1:]))
