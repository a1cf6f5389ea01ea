"""C files: which function is the kernel, and what of a file cannot be read only if it is reached.

A C file tells device code from host code by nothing but calls. So unknown names and OpenMP
directives that are not read are errors only of the functions that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.kernel import Kernel

from . import ir
from .partial_eval.questions import walk

# Directives under which the program is, on one thread, what it is without them.
_DIRECTIVES = re.compile(
    r"(?:parallel\s+for|for|simd)(?:\s+simd)?|critical(?:\s*\(\s*\w+\s*\))?"
    r"|atomic(?:\s+(?:update|read|write))?"
)
_CLAUSES = frozenset(
    (
        *("collapse", "schedule", "reduction", "num_threads", "private", "lastprivate", "shared"),
        *("default", "if", "nowait", "aligned", "safelen", "simdlen", "linear", "proc_bind"),
        *("nontemporal", "hint", "seq_cst", "relaxed"),
    )
)
_PRAGMA = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+omp[ \t]+((?:[^\\\n]|\\\n|\\.)*)$", re.MULTILINE)
_CLAUSE = re.compile(r"\s*,?\s*(\w+)\s*(\([^()]*(?:\([^()]*\)[^()]*)*\))?")


def refused_directives(text: str, filename: str) -> Iterator[tuple[int, ir.Unreadable]]:
    """The OpenMP directives that are not read, and the bytes of the text in front of them."""
    for found in _PRAGMA.finditer(text):
        why = _refused(found[1].replace("\\\n", " ").partition("//")[0].strip())
        if why:
            line = text.count("\n", 0, found.start()) + 1
            shown = found[0].split("\n")[0]
            column = len(shown) - len(shown.lstrip()) + 1
            span = Span(filename, line, column, len(shown.strip()), shown)
            hint = "loops are read under parallel for, for and simd"
            offset = len(text[: found.start()].encode())
            yield offset, ir.Unreadable("XP1009", f"{why} is not read", span, hint)


def _refused(directive: str) -> str:
    """What of a directive is not read; empty where all is."""
    known = _DIRECTIVES.match(directive)
    if known is None or re.match(r"\w", directive[known.end() :]):
        return f"#pragma omp {directive}"
    rest = directive[known.end() :]
    for clause in _CLAUSE.finditer(rest):
        if clause[1] not in _CLAUSES:
            return f"the clause {clause[1]!r} of #pragma omp {known[0]}"
    return ""


def find_entry(unit: ir.Unit, kernel: Kernel) -> ir.Function:
    """The kernel of a C file: the function named, else the one that takes pointers and that no
    other function calls.

    Raises `ReadError` XP1003 to XP1005.
    """
    bodies = sorted(
        (one for one in unit.functions.values() if one.body is not None),
        key=lambda one: one.span.line,
    )
    if kernel.entry is not None:
        base = kernel.entry.split("<")[0].strip()
        for found in bodies:
            if found.name == base:
                return found
        names = ", ".join(one.name for one in bodies)
        raise ReadError(
            "XP1003", f"{kernel.filename} has no function named {base!r}", hint=f"it has: {names}"
        )
    called = {
        node.callee.ident
        for one in bodies
        if one.name != "main"
        for node in walk(one.body)
        if isinstance(node, ir.Call) and isinstance(node.callee, ir.Name)
    }
    free = [
        one
        for one in bodies
        if one.ident not in called
        and one.name != "main"
        and any(isinstance(param.type, ir.Pointer) for param in one.params)
    ]
    if len(free) == 1:
        return free[0]
    if not free:
        hint = "a kernel is a function that takes pointers and that no other function calls"
        raise ReadError("XP1005", f"{kernel.filename} has no kernel", hint=hint)
    names = ", ".join(one.name for one in free)
    raise ReadError(
        "XP1004",
        f"{kernel.filename} has {len(free)} functions that may be the kernel and none is named",
        span=free[1].span,
        hint=f"name one of {names} with --entry, or entry=...",
    )
