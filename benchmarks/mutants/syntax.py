"""A kernel's text as a tree of nodes with extents, of every dialect that the emulator runs.

The tree is libclang's, of the very translation unit that the emulator compiles: with its headers
every name is declared and every expression has its type.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from clang import cindex

from xpiler_tvm.emulation import compiler
from xpiler_tvm.emulation.source import MARKER, translation_unit
from xpiler_tvm.frontends import clang_ast
from xpiler_tvm.kernel import Kernel

# What clang inserts or prints without a meaning of its own: seen through where it has one child.
_TRANSPARENT = ("UNEXPOSED_EXPR",)


@dataclass(eq=False)
class Node:
    """A cursor with its place in the kernel's text.

    `kind` and `type` are libclang's spellings; `start` and `end` are offsets in `source`. What a
    macro expands to is one node without children: its text is the macro's name.
    """

    cursor: Any
    kind: str
    start: int
    end: int
    source: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.source[self.start : self.end]

    @property
    def type(self) -> str:
        return str(self.cursor.type.get_canonical().spelling)

    @property
    def name(self) -> str:
        return str(self.cursor.spelling)

    @property
    def operator(self) -> str:
        """Of a binary or unary operation and of a compound assignment, else ''."""
        if self.kind in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR"):
            return clang_ast.binary_operator(self.cursor)
        return clang_ast.unary_operator(self.cursor) if self.kind == "UNARY_OPERATOR" else ""

    @property
    def statement(self) -> bool:
        """Whether it stands as an expression statement."""
        above = self.parent
        if above is None or self.kind.endswith("_STMT"):
            return False
        if above.kind == "COMPOUND_STMT":
            return True
        # The body of a branch or loop without braces is its last part.
        return above.kind in ("IF_STMT", "FOR_STMT", "WHILE_STMT") and self is above.children[-1]

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def ancestors(self) -> Iterator[Node]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


@lru_cache(maxsize=1)
def _system_headers() -> tuple[str, ...]:
    """Where the emulator's compiler looks for standard headers."""
    command = [*compiler.find_compiler(), "-x", "c++", "-E", "-v", "/dev/null"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    listed = said.partition("search starts here:")[2].rpartition("End of search list")[0]
    folders = [line.strip() for line in listed.splitlines() if line.startswith(" /")]
    return tuple(part for folder in folders for part in ("-isystem", folder))


def functions(kernel: Kernel) -> list[Node]:
    """The functions with a body in the text of a kernel, in order.

    Raises `ValueError` where clang finds an error in the text itself.
    """
    text = kernel.source
    unit = translation_unit(text, text, kernel.dialect, kernel.entry or "")
    head = f'#line 1 "{MARKER}"\n'
    first = unit.index(head) + len(head)
    reader = _Reader(text, unit[first:], unit[:first].count("\n"))
    args = ["-x", "c++", "-std=c++17", "-w", "-ferror-limit=0", "-nostdinc", "-nostdinc++"]
    args += ["-I", str(compiler.HERE), *_system_headers()]
    name = "unit.cc"
    parsed = cindex.Index.create().parse(name, args=args, unsaved_files=[(name, unit)])
    for problem in parsed.diagnostics:
        inside = problem.location.file and problem.location.file.name == name
        if problem.severity >= cindex.Diagnostic.Error and inside:
            line = problem.location.line - reader.before
            if 0 < line <= len(reader.lines):
                raise ValueError(f"{kernel.filename}:{line}: {problem.spelling}")
    found = []
    for cursor in _declarations(parsed.cursor, first, name):
        node = reader.node(cursor, None)
        if node is not None and any(child.kind == "COMPOUND_STMT" for child in node.children):
            found.append(node)
    return found


def _declarations(scope: Any, first: int, file: str) -> Iterator[Any]:
    for cursor in scope.get_children():
        if cursor.kind.name in ("NAMESPACE", "LINKAGE_SPEC", "UNEXPOSED_DECL"):
            yield from _declarations(cursor, first, file)
        elif cursor.kind.name in ("FUNCTION_DECL", "FUNCTION_TEMPLATE"):
            place = cursor.location
            if place.file and place.file.name == file and place.offset >= first:
                yield cursor


class _Reader:
    """Cursors of the translation unit to nodes of the text."""

    def __init__(self, text: str, compiled: str, before: int) -> None:
        self.text = text
        self.before = before
        self.lines = text.split("\n")
        # The emulator changes single lines of a text (see `emulation.source`); their places differ.
        self.same = [
            mine == theirs for mine, theirs in zip(self.lines, compiled.split("\n"), strict=False)
        ]
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def _offset(self, place: Any) -> int | None:
        line = place.line - self.before
        if not 0 < line <= len(self.lines) or not self.same[line - 1]:
            return None
        return self.starts[line - 1] + place.column - 1

    def node(self, cursor: Any, parent: Node | None) -> Node | None:
        """The tree below a cursor; `None` where it has no place in the text."""
        start, end = self._offset(cursor.extent.start), self._offset(cursor.extent.end)
        if start is None or end is None or end <= start:
            return None
        children = list(cursor.get_children())
        if cursor.kind.name in _TRANSPARENT and len(children) == 1:
            inner = self.node(children[0], parent)
            if inner is not None and (inner.start, inner.end) == (start, end):
                return inner
        node = Node(cursor, cursor.kind.name, start, end, self.text, parent)
        if not self._macro(node):
            found = (self.node(child, node) for child in children)
            node.children = [child for child in found if child is not None]
        return node

    def _macro(self, node: Node) -> bool:
        """Whether the text is the name of a macro, and so shorter than what it stands for."""
        word = node.text
        if not word.isidentifier():
            return False
        return f"#define {word} " in self.text or word in ("INFINITY", "FLT_MAX")
