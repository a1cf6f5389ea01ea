"""libclang behind one door: parsing, and the cures for what `clang.cindex` 18 leaves out.

Gaps cured here: operator kinds and constant evaluation (not bound by the Python module), half
types (their kinds are unknown to it), parts of `for (;;)` that are dropped from the children,
the initialiser of a variable among its children.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from clang import cindex

from xpiler_tvm.dialects import avx512_text, ptx_text
from xpiler_tvm.errors import ReadError, Span

from . import bang_declarations, simt_declarations

Cursor = Any  # cindex.Cursor; the module ships no types

BINARY = [
    "?",
    ".*",
    "->*",
    "*",
    "/",
    "%",
    "+",
    "-",
    "<<",
    ">>",
    "<=>",
    "<",
    ">",
    "<=",
    ">=",
    "==",
    "!=",
    "&",
    "^",
    "|",
    "&&",
    "||",
    "=",
    "*=",
    "/=",
    "%=",
    "+=",
    "-=",
    "<<=",
    ">>=",
    "&=",
    "^=",
    "|=",
    ",",
]
UNARY = ["?", "post++", "post--", "pre++", "pre--", "&", "*", "+", "-", "~", "!", "?", "?", "ext"]
_HALVES = {"FLOAT16": 32, "BFLOAT16": 39}  # CXType_Float16 and CXType_BFloat16
_PRELUDE = Path(__file__).parent / "prelude"
_ARGS = {
    "cuda": ["-x", "cuda", "--cuda-host-only", "-nocudainc", "-nocudalib"],
    "hip": ["-x", "hip", "--cuda-host-only", "-nogpuinc", "-nogpulib"],
    # Clang's CUDA mode knows global and device functions, which is what BANG C needs of it.
    "bang": ["-x", "cuda", "--cuda-host-only", "-nocudainc", "-nocudalib"],
    "vnni": ["-x", "c++"],
}
_ALIASES = {"cuda": "kernel.cu", "hip": "kernel.hip", "bang": "kernel.cu", "vnni": "kernel.cpp"}
_PRELUDES = {"cuda": "cuda.h", "hip": "cuda.h", "bang": "bang.h", "vnni": "vnni.h"}
# Headers that the preludes include and that are no files.
_GENERATED = {str(_PRELUDE / "bang_tables.h"): bang_declarations.declarations()}
# And those that depend on the text: they have what the text mentions.
_INTRINSICS = str(_PRELUDE / "intrinsics.h")
_SIMT_TABLES = str(_PRELUDE / "simt_tables.h")
# What clang says of names that it has no declaration of.
_UNKNOWN = (
    "use of undeclared identifier",
    "unknown type name",
    "no member named",
    "no type named",
    "no template named",
    "no matching",
    "use of class template",
    "expected namespace name",
    "no namespace named",
    "incomplete type",
    "variable has incomplete type",
    "member access into incomplete type",
    "invalid operands to binary expression",
    "cannot initialize",
    "implicit instantiation of undefined template",
    "unresolved",
    "use of undeclared",
)
_KNOWN = "names of the file itself and of the dialect's own library are known"
_UNDECLARED = ("use of undeclared identifier", "unknown type name")
_SPECIALISED = ("STRUCT_DECL", "CLASS_DECL", "CLASS_TEMPLATE_PARTIAL_SPECIALIZATION")
_PROBE_SECONDS, _PROBE_MEMORY = 10.0, 2 << 30


@lru_cache(maxsize=1)
def _library() -> Any:
    lib = cindex.conf.lib
    for name in ("clang_getCursorBinaryOperatorKind", "clang_getCursorUnaryOperatorKind"):
        getattr(lib, name).argtypes = [cindex.Cursor]
        getattr(lib, name).restype = ctypes.c_int
    for name in ("clang_Cursor_getVarDeclInitializer", "clang_getSpecializedCursorTemplate"):
        getattr(lib, name).argtypes = [cindex.Cursor]
        getattr(lib, name).restype = cindex.Cursor
    lib.clang_Cursor_Evaluate.argtypes = [cindex.Cursor]
    lib.clang_Cursor_Evaluate.restype = ctypes.c_void_p
    lib.clang_EvalResult_getKind.argtypes = [ctypes.c_void_p]
    lib.clang_EvalResult_isUnsignedInt.argtypes = [ctypes.c_void_p]
    lib.clang_EvalResult_getAsLongLong.argtypes = [ctypes.c_void_p]
    lib.clang_EvalResult_getAsLongLong.restype = ctypes.c_longlong
    lib.clang_EvalResult_getAsUnsigned.argtypes = [ctypes.c_void_p]
    lib.clang_EvalResult_getAsUnsigned.restype = ctypes.c_ulonglong
    lib.clang_EvalResult_getAsDouble.argtypes = [ctypes.c_void_p]
    lib.clang_EvalResult_getAsDouble.restype = ctypes.c_double
    lib.clang_EvalResult_dispose.argtypes = [ctypes.c_void_p]
    for name, number in _HALVES.items():
        if not hasattr(cindex.TypeKind, name):
            setattr(cindex.TypeKind, name, cindex.TypeKind(number))
    return lib


def without_includes(text: str) -> str:
    """`text` with `#include` lines emptied: the prelude stands in for every header."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        words = line.strip().removeprefix("#").split(None, 1)
        if line.lstrip().startswith("#") and words and words[0].startswith("include"):
            lines[number] = ""
    return "\n".join(lines)


def readable(text: str, dialect: str) -> str:
    """`text` as it is parsed: without includes, known inline assembly as calls, lines kept."""
    text = without_includes(text)
    return ptx_text.without_assembly(text) if dialect == "cuda" else text


def parse(text: str, dialect: str, filename: str) -> Cursor:
    """The translation unit of a source text.

    Raises `ReadError` (XP1002, or XP1010 for an unknown name) at the first error. Those within the
    functions of a C file are left to `errors`: which of them a kernel is made of is not known yet.
    """
    if "\0" in text:
        raise ReadError("XP1001", f"{filename} is not text: it holds a NUL byte")
    unit = parse_loosely(text, dialect, filename)
    functions = [
        cursor
        for cursor, _ in _file_scope(unit.cursor, unit.spelling)
        if cursor.kind.name in ("FUNCTION_DECL", "FUNCTION_TEMPLATE")
    ]
    if dialect != "vnni":
        functions = [cursor for cursor in functions if not _runs_on_host(cursor)]
    extents = [(one.extent.start.offset, one.extent.end.offset) for one in functions]
    for offset, unknown, error in _errors(unit, text, filename):
        # Host code may use any library; of it only the launch matters, and that is found or not.
        inside = any(start <= offset < end for start, end in extents)
        if (unknown and not inside) or (inside and dialect == "vnni"):
            continue
        raise error
    return unit


def errors(unit: Cursor, text: str, filename: str) -> Iterator[tuple[int, ReadError]]:
    """All that clang finds wrong, with its offset in the text."""
    for offset, _, error in _errors(unit, text, filename):
        yield offset, error


def _errors(unit: Cursor, text: str, filename: str) -> Iterator[tuple[int, bool, ReadError]]:
    """Offsets of errors, whether they come of an unknown name, and the errors."""
    lines = text.split("\n")
    for diagnostic in unit.diagnostics:
        if diagnostic.severity < cindex.Diagnostic.Error:
            continue
        place, message = diagnostic.location, diagnostic.spelling
        undeclared = message.startswith(_UNDECLARED)
        span = None
        if place.file and place.file.name == unit.spelling:
            span = _span(filename, lines, place.line, place.column, 1)
        code, hint = ("XP1010", _KNOWN) if undeclared else ("XP1002", "")
        error = ReadError(code, message, span=span, hint=hint)
        yield place.offset, message.startswith(_UNKNOWN), error


def parse_loosely(text: str, dialect: str, filename: str) -> Cursor:
    """The translation unit, whatever its diagnostics say."""
    _library()
    alias = _ALIASES[dialect]
    prelude = str(_PRELUDE / _PRELUDES[dialect])
    args = [*_ARGS[dialect], "-nostdinc", "-nostdinc++", "-std=c++17", "-w", "-ferror-limit=0"]
    args += ["-include", prelude]
    text = readable(text, dialect)
    _probe(tuple(args), alias, text, filename)
    try:
        return _translated(tuple(args), alias, text)
    except cindex.TranslationUnitLoadError:
        raise ReadError("XP1002", f"{filename} cannot be parsed") from None


def _translated(args: tuple[str, ...], alias: str, text: str) -> Any:
    files = [(alias, text), *_GENERATED.items()]
    if alias == _ALIASES["vnni"]:
        files.append((_INTRINSICS, avx512_text.declarations(text)))
    dialect = args[1]
    if dialect in ("cuda", "hip"):
        files.append((_SIMT_TABLES, simt_declarations.declarations(dialect, text)))
    return cindex.Index.create().parse(alias, args=args, unsaved_files=files)


@lru_cache(maxsize=256)
def _probe(args: tuple[str, ...], alias: str, text: str, filename: str) -> None:
    """Parses in a process of its own first: a text may be meant to take the parser down.

    Raises `ReadError` XP1002 where that process comes to no end. It costs a second parse, once.
    """
    # Not at the top: the emulator stands beside this stage, and only its forks are of use here.
    from xpiler_tvm.isolation import forked

    def work() -> bool:
        try:
            return bool(_translated(args, alias, text))
        except cindex.TranslationUnitLoadError:
            return True

    try:
        forked.call(work, seconds=_PROBE_SECONDS, memory=_PROBE_MEMORY)
    except forked.Ended as why:
        raise ReadError(
            "XP1002",
            f"the parser does not come to an end with {filename}: {why}",
            hint="it nests too deep, or expands into too much",
        ) from None


class Places:
    """Spans of cursors in the user's file."""

    def __init__(self, text: str, filename: str) -> None:
        self.lines = text.split("\n")
        self.filename = filename

    def span(self, cursor: Cursor) -> Span:
        place = cursor.location
        start, end = cursor.extent.start, cursor.extent.end
        if start.line:
            place = start
        length = end.column - start.column if end.line == start.line == place.line else 1
        return _span(self.filename, self.lines, place.line, place.column, length)


def _span(filename: str, lines: list[str], line: int, column: int, length: int) -> Span:
    text = lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""
    return Span(filename, max(line, 1), max(column, 1), max(length, 1), text)


def binary_operator(cursor: Cursor) -> str:
    return BINARY[_library().clang_getCursorBinaryOperatorKind(cursor)]


def unary_operator(cursor: Cursor) -> str:
    kind = _library().clang_getCursorUnaryOperatorKind(cursor)
    return UNARY[kind] if kind < len(UNARY) else "?"


def evaluate(cursor: Cursor) -> int | float | None:
    """The value of a constant expression; right through macros, unlike its tokens."""
    lib = _library()
    result = lib.clang_Cursor_Evaluate(cursor)
    if not result:
        return None
    try:
        kind = lib.clang_EvalResult_getKind(result)
        if kind == 1:
            if lib.clang_EvalResult_isUnsignedInt(result):
                return int(lib.clang_EvalResult_getAsUnsigned(result))
            return int(lib.clang_EvalResult_getAsLongLong(result))
        return float(lib.clang_EvalResult_getAsDouble(result)) if kind == 2 else None
    finally:
        lib.clang_EvalResult_dispose(result)


def initializer(cursor: Cursor) -> Cursor | None:
    """The initialiser of a variable's declaration."""
    return _related(cursor, _library().clang_Cursor_getVarDeclInitializer(cursor))


def template_of(cursor: Cursor) -> Cursor | None:
    """The template that a function is an instance of."""
    return _related(cursor, _library().clang_getSpecializedCursorTemplate(cursor))


def _related(cursor: Cursor, found: Cursor | None) -> Cursor | None:
    """A cursor that came straight from the library, tied to its translation unit."""
    if found is None or found.kind.is_invalid():
        return None
    found._tu = cursor._tu
    return found


def dependent_name(cursor: Cursor) -> str:
    """The last name in a cursor's text: of what depends on a template, clang gives none."""
    words = [token.spelling for token in cursor.get_tokens() if token.kind.name == "IDENTIFIER"]
    return words[-1] if words else ""


def specialised_for(cursor: Cursor) -> list[cindex.Type | int]:
    """The arguments of a template's instance or full specialisation."""
    found: list[cindex.Type | int] = []
    for number in range(max(0, cursor.get_num_template_arguments())):
        kind = cursor.get_template_argument_kind(number)
        if kind == cindex.TemplateArgumentKind.TYPE:
            found.append(cursor.get_template_argument_type(number))
        elif kind == cindex.TemplateArgumentKind.INTEGRAL:
            found.append(int(cursor.get_template_argument_value(number)))
    return found


def for_parts(cursor: Cursor) -> tuple[Cursor | None, Cursor | None, Cursor | None, Cursor]:
    """`init, test, step, body` of a `for`: absent parts are told by the header's semicolons."""
    children = list(cursor.get_children())
    if len(children) == 4:
        return children[0], children[1], children[2], children[3]
    depth = 0
    semicolons: list[int] = []
    for token in cursor.get_tokens():
        word = token.spelling
        depth += (word in "([{") - (word in ")]}")
        if word == ";" and depth == 1 and len(semicolons) < 2:
            semicolons.append(token.extent.start.offset)
    parts: list[Cursor | None] = [None, None, None]
    for child in children[:-1]:
        offset = child.extent.start.offset
        parts[sum(offset > semicolon for semicolon in semicolons)] = child
    return parts[0], parts[1], parts[2], children[-1]


def without_host_code(text: str, dialect: str, filename: str, entry: str = "") -> str:
    """`text` with everything that only the host needs blanked out; lines are kept.

    What the name of the `entry`'s instance, `map<Silu>`, is made of is needed too.

    Kept: kernels, device functions, and the declarations that they refer to. Host functions, host
    types and variables, includes and what clang could make nothing of become blanks.
    """
    data = bytearray(readable(text, dialect).encode())
    unit = parse(text, dialect, filename)
    scope = _file_scope(unit.cursor, unit.spelling)
    needed = _needed(scope, unit.spelling, set(re.findall(r"\w+", entry)))
    for number, (cursor, whole) in enumerate(scope):
        if number not in needed and not _brings_names(cursor, unit.spelling):
            _blank(data, whole)
    _blank_stray_errors(data, unit, [whole for _, whole in scope])
    return data.decode()


def _brings_names(cursor: Cursor, file: str) -> bool:
    """Whether a declaration only makes names known, of the file or of a device library."""
    kind = cursor.kind.name
    if kind in ("NAMESPACE", "UNEXPOSED_DECL"):
        return True
    if kind not in ("USING_DIRECTIVE", "USING_DECLARATION", "NAMESPACE_ALIAS"):
        return False
    names = [child.spelling for child in cursor.get_children()]
    targets = [child.referenced for child in cursor.get_children()]
    ours = any(one is not None and one.location.file.name == file for one in targets)
    return ours or (kind != "USING_DECLARATION" and "std" not in names)


def without_host_functions(text: str, dialect: str, filename: str) -> str:
    """`text` with its host functions blanked out, lines kept, whatever it holds.

    BANG C's intrinsics are not declared here, nor are all of CUDA's; where functions begin and end
    is still known.
    """
    data = bytearray(readable(text, dialect).encode())
    unit = parse_loosely(text, dialect, filename)
    for cursor, whole in _file_scope(unit.cursor, unit.spelling):
        if _runs_on_host(cursor):
            _blank(data, whole)
    return data.decode()


def _blank(data: bytearray, cursor: Cursor) -> None:
    """Blanks a declaration and the semicolon behind it."""
    start, end = cursor.extent.start.offset, cursor.extent.end.offset
    while end < len(data) and data[end] in b" \t":
        end += 1
    if end < len(data) and data[end] == ord(";"):
        end += 1
    _blank_range(data, start, end)


def _blank_range(data: bytearray, start: int, end: int) -> None:
    for place in range(start, end):
        if data[place] not in b"\n\r":
            data[place] = ord(" ")


def _needed(scope: list[tuple[Cursor, Cursor]], file: str, names: set[str]) -> set[int]:
    """Numbers of the file's declarations that device code is made of."""
    starts = [whole.extent.start.offset for _, whole in scope]
    ends = [whole.extent.end.offset for _, whole in scope]
    pending = [
        number
        for number, (cursor, _) in enumerate(scope)
        if (
            cursor.kind.name in ("FUNCTION_DECL", "FUNCTION_TEMPLATE") and not _runs_on_host(cursor)
        )
        or (cursor.spelling in names and not _runs_on_host(cursor))
    ]
    needed = set(pending)
    while pending:
        for node in scope[pending.pop()][0].walk_preorder():
            for target in (node.referenced, node.type.get_declaration()):
                if target is None or target.location.file is None:
                    continue
                if target.location.file.name != file:
                    continue
                offset = target.location.offset
                for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
                    if start <= offset < end and number not in needed:
                        needed.add(number)
                        pending.append(number)
                        pending += _specialisations(scope, number, needed)
    return needed


def _specialisations(
    scope: list[tuple[Cursor, Cursor]], template: int, needed: set[int]
) -> list[int]:
    """Numbers of a class template's specialisations, which uses of it do not refer to."""
    if scope[template][0].kind.name != "CLASS_TEMPLATE":
        return []
    found = []
    for number, (cursor, _) in enumerate(scope):
        of = template_of(cursor) if cursor.kind.name in _SPECIALISED else None
        if of is not None and of == scope[template][0] and number not in needed:
            needed.add(number)
            found.append(number)
    return found


def _blank_stray_errors(data: bytearray, unit: Cursor, known: list[Cursor]) -> None:
    """Blanks the lines at which clang gave up outside every declaration."""
    extents = [(cursor.extent.start.offset, cursor.extent.end.offset) for cursor in known]
    for diagnostic in unit.diagnostics:
        place = diagnostic.location
        if diagnostic.severity < cindex.Diagnostic.Error or place.file is None:
            continue
        if place.file.name != unit.spelling:
            continue
        if any(start <= place.offset < end for start, end in extents):
            continue
        start = data.rfind(b"\n", 0, place.offset) + 1
        end = data.find(b"\n", place.offset)
        _blank_range(data, start, len(data) if end < 0 else end)


def _file_scope(scope: Cursor, file: str) -> list[tuple[Cursor, Cursor]]:
    """Declarations of the file, each with what to remove with it (its own `extern "C"`)."""
    found: list[tuple[Cursor, Cursor]] = []
    for cursor in scope.get_children():
        if cursor.location.file is None or cursor.location.file.name != file:
            continue
        if cursor.kind.name in ("NAMESPACE", "LINKAGE_SPEC", "UNEXPOSED_DECL"):
            inner = _file_scope(cursor, file)
            alone = len(inner) == 1 and cursor.kind.name != "NAMESPACE"
            found += [(one, cursor if alone else whole) for one, whole in inner]
        else:
            found.append((cursor, cursor))
    return found


def _runs_on_host(cursor: Cursor) -> bool:
    attributes = {child.kind.name for child in cursor.get_children()}
    device = attributes & {"CUDAGLOBAL_ATTR", "CUDADEVICE_ATTR"}
    if cursor.kind.name in ("FUNCTION_DECL", "FUNCTION_TEMPLATE"):
        # Kernels may call a constexpr function of the host.
        return not device and "constexpr" not in {t.spelling for t in _head(cursor)}
    return False


def _head(cursor: Cursor) -> list[Any]:
    tokens = []
    for token in cursor.get_tokens():
        if token.spelling in ("(", "{"):
            break
        tokens.append(token)
    return tokens


def captures(cursor: Cursor) -> tuple[bool, frozenset[str]]:
    """Whether a lambda captures values, and the names of what it captures the other way."""
    text = ""
    for token in cursor.get_tokens():
        if token.spelling == "]":
            break
        text += token.spelling
    given = text.removeprefix("[").split(",")
    copies = "=" in given
    named = {one.removeprefix("&") for one in given if one.startswith("&") == copies}
    return copies, frozenset(named - {"", "=", "this", "*this"})


def lambda_result(cursor: Cursor) -> Any | None:
    """The type of what a lambda gives; `None` where that depends on its arguments' types."""
    for member in cursor.type.get_declaration().get_children():
        if member.kind.name == "CXX_METHOD" and member.spelling == "operator()":
            return member.result_type
    return None
