"""A kernel's text as a tree of nodes with extents, of every dialect that the emulator runs.

The tree is libclang's, of the very translation unit that the emulator compiles: with its headers
every name is declared and every expression has its type. It is read in a process of its own.
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
from xpiler_tvm.errors import ReadError
from xpiler_tvm.frontends import clang_ast
from xpiler_tvm.isolation import forked
from xpiler_tvm.kernel import Kernel

_SECONDS, _MEMORY = 20.0, 2 << 30
# What clang inserts or prints without a meaning of its own: seen through where it has one child.
_TRANSPARENT = ("UNEXPOSED_EXPR",)
_OPERATIONS = ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR")


@dataclass(eq=False)
class Node:
    """A part of the text.

    `kind` and `type` are libclang's spellings, `operator` is that of an operation or assignment;
    `start` and `end` are offsets in `source`. What a macro expands to is one node without children:
    its text is the macro's name.
    """

    kind: str
    type: str
    name: str
    operator: str
    start: int
    end: int
    source: str = field(repr=False)
    parent: Node | None = field(default=None, repr=False)
    children: list[Node] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        return self.source[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.count("\n", 0, self.start) + 1

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
        """This node and all below it, from the outside in."""
        yield self
        for child in self.children:
            yield from child.walk()

    def ancestors(self) -> Iterator[Node]:
        """All above it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def functions(kernel: Kernel, text: str) -> list[Node]:
    """The functions with a body in the `text` of a kernel, in order.

    Raises `ReadError` XP1002 where the parser does not come to an end.
    """
    headers = _system_headers()  # not in the other process, which cannot start a compiler
    try:
        rows = forked.call(lambda: _rows(kernel, text, headers), seconds=_SECONDS, memory=_MEMORY)
    except forked.Ended as why:
        raise ReadError(
            "XP1002", f"the parser does not come to an end with {kernel.filename}: {why}"
        ) from None
    return [_node(row, text, None) for row in rows]


def _node(row: list[Any], text: str, parent: Node | None) -> Node:
    kind, type_, name, operator, start, end, below = row
    node = Node(kind, type_, name, operator, start, end, text, parent)
    node.children = [_node(one, text, node) for one in below]
    return node


@lru_cache(maxsize=1)
def _system_headers() -> tuple[str, ...]:
    """Where the emulator's compiler looks for standard headers."""
    command = [*compiler.find_compiler(), "-x", "c++", "-E", "-v", "/dev/null"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    listed = said.partition("search starts here:")[2].rpartition("End of search list")[0]
    folders = [line.strip() for line in listed.splitlines() if line.startswith(" /")]
    return tuple(part for folder in folders for part in ("-isystem", folder))


def _rows(kernel: Kernel, text: str, headers: tuple[str, ...]) -> list[list[Any]]:
    unit = translation_unit(text, text, kernel.dialect, kernel.entry or "", mode=kernel.mode)
    head = f'#line 1 "{MARKER}"\n'
    first = unit.index(head) + len(head)
    reader = _Reader(text, unit[first:], unit[:first].count("\n"))
    args = ["-x", "c++", "-std=c++17", "-w", "-ferror-limit=0", "-nostdinc", "-nostdinc++"]
    args += ["-I", str(compiler.HERE), *headers]
    name = "unit.cc"
    parsed = cindex.Index.create().parse(name, args=args, unsaved_files=[(name, unit)])
    found = []
    for cursor in _declarations(parsed.cursor, first, name):
        row = reader.row(cursor)
        if row is not None and any(child[0] == "COMPOUND_STMT" for child in row[-1]):
            found.append(row)
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
    """Cursors of the translation unit to rows of places in the text."""

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
        # clang counts bytes.
        before = self.lines[line - 1].encode()[: place.column - 1].decode(errors="ignore")
        return self.starts[line - 1] + len(before)

    def row(self, cursor: Any) -> list[Any] | None:
        """The tree below a cursor; `None` where it has no place in the text."""
        start, end = self._offset(cursor.extent.start), self._offset(cursor.extent.end)
        if start is None or end is None or end <= start:
            return None
        kind, children = cursor.kind.name, list(cursor.get_children())
        if kind in _TRANSPARENT and len(children) == 1:
            inner = self.row(children[0])
            if inner is not None and inner[4:6] == [start, end]:
                return inner
        operator = ""
        if kind in _OPERATIONS:
            operator = clang_ast.binary_operator(cursor)
        elif kind == "UNARY_OPERATOR":
            operator = clang_ast.unary_operator(cursor)
        below: list[Any] = []
        if not self._macro(self.text[start:end]):
            below = [row for row in map(self.row, children) if row is not None]
        kind_of = str(cursor.type.get_canonical().spelling)
        return [kind, kind_of, str(cursor.spelling), operator, start, end, below]

    def _macro(self, word: str) -> bool:
        """Whether a text is the name of a macro, and so shorter than what it stands for."""
        if not word.isidentifier():
            return False
        return f"#define {word} " in self.text or word in ("INFINITY", "FLT_MAX")
