"""What a kernel's code means, held against what kernels need: rules over tokens and clang's tree.

The text is the preprocessed translation unit, so that no macro stands between the rules and what
is compiled. Only the user's part of it is judged; the rest are the emulator's own headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clang import cindex

from .lexing import Token, tokens
from .screening import Refusal, allowed_pragma

Cursor = Any  # cindex.Cursor; the module ships no types

_ASM = frozenset(("asm", "__asm", "__asm__"))
_EXCEPTIONS = frozenset(("throw", "try", "catch"))
# Attributes that say something about a function's or variable's own code or place.
_ATTRIBUTES = frozenset(
    (
        *("aligned", "packed", "vector_size", "ext_vector_type", "may_alias", "mode", "noinline"),
        *("always_inline", "artificial", "flatten", "hot", "cold", "pure", "const", "unused"),
        *("used", "maybe_unused", "nodiscard", "warn_unused_result", "noreturn", "deprecated"),
        *("fallthrough", "likely", "unlikely", "optimize", "target", "unroll", "nothrow"),
        *("launch_bounds", "global", "device", "host", "shared", "constant", "managed"),
        *("amdgpu_flat_work_group_size", "amdgpu_waves_per_eu", "amdgpu_num_vgpr", "restrict"),
        *("no_unique_address", "assume_aligned", "assume", "nonnull", "gnu", "clang", "section"),
        *("address_space", "tls_model", "internal_linkage", "noalias", "opencl_unroll_hint"),
    )
)
# The sections in which the emulator keeps the memories of a BANG core: see `memory.variables`.
_SECTIONS = re.compile(r'"xp_[a-z]+"')
_BUILTIN = re.compile(r"__builtin_\w+|__sync_\w+|__atomic_\w+|__c11_\w+")
_FLOATING = (
    "a?(?:sin|cos|tan)h?|atan2|exp(?:2|10|m1)?|log(?:2|10|1p|b)?|sqrt|cbrt|pow|powi|hypot|erfc?|"
    "[lt]gamma|fabs|ceil|floor|trunc|round(?:even)?|rint|nearbyint|l?l?(?:rint|round)|fmod|fma|"
    "fmax|fmin|fdim|remainder|remquo|copysign|nextafter|ldexp|scalbl?n|frexp|modf|ilogb|sincos|"
    "huge_val|inf|nans?|is(?:nan|inf|inf_sign|finite|normal)|signbit|fpclassify|"
    "is(?:greater|less)(?:equal)?|islessgreater|isunordered|j[01]|y[01]|canonicalize"
)
_HARMLESS = re.compile(
    rf"__builtin_(?:(?:{_FLOATING})[fl]?|(?:elementwise|reduce)_\w+|"
    r"(?:popcount|parity|c[lt]zg?|ffs|clrsb)(?:l|ll|s|g)?|bswap\d+|bitreverse\d+|rotate\w+|"
    r"l?l?abs|(?:s|u)?(?:add|sub|mul)l?l?_overflow(?:_p)?|memcpy|memset|memmove|memcmp|strlen|"
    r"expect(?:_with_probability)?|unreachable|assume|assume_aligned|constant_p|choose_expr|"
    r"types_compatible_p|offsetof|prefetch|trap|LINE|shuffle(?:vector)?|convertvector|"
    r"nontemporal_(?:load|store)|bit_cast|addressof|is_constant_evaluated|object_size|"
    r"malloc|calloc|aligned_alloc|free|va_start|va_end|va_arg|"
    # What compilers' headers make of intrinsics that are macros.
    r"ia32_(?:vpdp\w+|\w+(?:128|256|512)(?:_\w+)?))|"
    r"__sync_\w+|__atomic_\w+|__c11_\w+"
)
_ABOUT_BUILTIN = "kernels use the dialect's own functions, or those of the math library"

_UNKNOWN = ("use of undeclared", "unknown type name", "no member named", "no template named")


@dataclass(frozen=True)
class UserPart:
    """Where the user's code lies in a preprocessed unit: offsets in characters."""

    text: str
    start: int
    end: int

    def line(self, offset: int) -> int:
        """The line in the user's text; 1 for what lies before it."""
        line = after = 0
        for found in re.finditer(r'^# (\d+) "[^"\n]*".*$', self.text[self.start : offset], re.M):
            line, after = int(found[1]), found.end()
        return max(1, line + self.text.count("\n", self.start + after, offset) - 1)


def examine(part: UserPart, dialect: str) -> Refusal | None:
    """The first thing in the user's code that no kernel needs, or that is no valid code.

    The places are lines of the user's text, with the column in the preprocessed one.
    """
    words = list(tokens(part.text[part.start : part.end]))
    for why in _token_rules(words, part):
        return why
    try:
        unit = _parse(part.text)
    except cindex.TranslationUnitLoadError:
        return Refusal("XP1002", "the parser fails at this text", 1, 1)
    data = _Offsets(part.text)
    for why in _diagnostics(unit, part, data):
        return why
    for why in _tree_rules(unit.cursor, part, data, dialect):
        return why
    return None


class _Offsets:
    """Clang counts bytes, the rules count characters."""

    def __init__(self, text: str) -> None:
        self._plain = text.isascii()
        self._data = b"" if self._plain else text.encode()

    def characters(self, offset: int) -> int:
        return offset if self._plain else len(self._data[:offset].decode(errors="replace"))


def _refusal(part: UserPart, offset: int, code: str, message: str, hint: str = "") -> Refusal:
    column = offset - part.text.rfind("\n", 0, offset)
    found = re.match(r"\w+|\S", part.text[offset : offset + 80])
    if found is None:
        return Refusal(code, message, part.line(offset), column, hint)
    word = found.group()
    rest = part.text[offset + len(word) :].partition("\n")[0]
    after = len(re.findall(whole_word(word), rest))
    return Refusal(code, message, part.line(offset), column, hint, word, after)


def whole_word(word: str) -> str:
    """A pattern for `word` that does not match inside of other names."""
    return rf"(?<!\w){re.escape(word)}(?!\w)" if word[0].isalnum() else re.escape(word)


# --- tokens


def _token_rules(words: list[Token], part: UserPart) -> Iterator[Refusal]:
    depth = 0
    head = part.text[: part.start]

    def refuse(token: Token, code: str, message: str, hint: str = "") -> Refusal:
        return _refusal(part, part.start + token.start, code, message, hint)

    for number, token in enumerate(words):
        if token.kind == "directive":
            pragma = re.match(r"\s*#\s*pragma\s*(.*)", token.text)
            if pragma and not allowed_pragma(pragma[1]):
                yield refuse(token, "XP1016", f"#pragma {pragma[1]} in a kernel")
        elif token.kind == "raw":
            yield refuse(token, "XP1016", "a raw string", "write it as an ordinary string")
        elif token.text in "{}":
            depth += 1 if token.text == "{" else -1
            if depth < 0:
                yield refuse(token, "XP1002", "a brace that closes nothing")
        elif token.kind != "name" and token.text != "[[":
            continue
        elif token.text in _ASM:
            yield refuse(
                token,
                "XP1008",
                "inline assembly has no meaning on this machine",
                "write the step in C++ or with the dialect's intrinsics",
            )
        elif token.text in _EXCEPTIONS:
            yield refuse(token, "XP1016", "exceptions in a kernel")
        elif token.text in ("__attribute__", "__attribute", "__declspec", "[["):
            yield from (refuse(*why) for why in _attributes(words, number))
        elif _BUILTIN.fullmatch(token.text) and not _HARMLESS.fullmatch(token.text):
            # The emulator's headers define the dialects' own ones.
            defined = re.search(rf"\b{token.text}\s*\([^;{{}}]*\)\s*{{", head)
            if not defined:
                yield refuse(
                    token, "XP1016", f"the compiler's {token.text} in a kernel", _ABOUT_BUILTIN
                )
    if depth:
        yield refuse(words[-1], "XP1002", "a brace that nothing closes")


def _attributes(words: list[Token], start: int) -> Iterator[tuple[Token, str, str]]:
    """The attributes behind `words[start]` that no kernel needs."""
    opening = words[start].text
    depth = 2 if opening == "[[" else 0
    level = 1 if opening == "__declspec" else 2
    for number in range(start + 1, len(words)):
        token = words[number]
        depth += {"(": 1, "[": 1, "[[": 2, ")": -1, "]": -1, "]]": -2}.get(token.text, 0)
        if depth <= 0:
            return
        if token.kind != "name" or depth != level:
            continue
        name = token.text.strip("_")
        if name == "section":
            value = words[number + 2].text if number + 2 < len(words) else ""
            if _SECTIONS.fullmatch(value):
                continue
        elif name in _ATTRIBUTES:
            continue
        yield token, "XP1016", f"the attribute {token.text!r} in a kernel"


# --- the tree


def _parse(text: str) -> Any:
    args = ["-x", "c++-cpp-output", "-std=c++17", "-w", "-ferror-limit=0", "-nostdinc"]
    args += ["-flax-vector-conversions=all", "-ftemplate-depth=400", "-fconstexpr-steps=250000"]
    return cindex.Index.create().parse("unit", args=args, unsaved_files=[("unit", text)])


def _diagnostics(unit: Any, part: UserPart, data: _Offsets) -> Iterator[Refusal]:
    for found in unit.diagnostics:
        if found.severity < cindex.Diagnostic.Error:
            continue
        offset = data.characters(found.location.offset)
        inside = found.location.file is not None and part.start <= offset < part.end
        if not inside and found.severity < cindex.Diagnostic.Fatal:
            # What is wrong with our own headers is for the compiler to say.
            continue
        message = found.spelling
        unknown = message.startswith(_UNKNOWN)
        builtin = re.search(r"'(__builtin_ia32_\w+)'", message)
        if builtin and _HARMLESS.fullmatch(builtin[1]):
            continue  # the compiler's own, which this parser need not have
        place = offset if inside else part.start
        hint = "names of the file itself and of the dialect's own library are known"
        code = "XP1010" if unknown else "XP1002"
        yield _refusal(part, place, code, message, hint if unknown else "")


def _tree_rules(root: Cursor, part: UserPart, data: _Offsets, dialect: str) -> Iterator[Refusal]:
    for cursor in _user_cursors(root, part, data):
        for node in cursor.walk_preorder():
            why = _BY_NUMBER.get(node._kind_id)
            found = why(node, dialect) if why else None
            if found:
                offset = data.characters(node.extent.start.offset)
                yield _refusal(part, offset, *found)


def _user_cursors(scope: Cursor, part: UserPart, data: _Offsets) -> Iterator[Cursor]:
    """The outermost declarations of the user's part."""
    for cursor in scope.get_children():
        start = data.characters(cursor.extent.start.offset)
        end = data.characters(cursor.extent.end.offset)
        if part.start <= start and end <= part.end:
            yield cursor
        elif start < part.end and end > part.start:
            yield from _user_cursors(cursor, part, data)


# By number: the Python module raises at kinds that it has no name for, half types among them.
_TYPE = cindex.TypeKind
_FUNCTION_TYPES = {_TYPE.FUNCTIONPROTO.value, _TYPE.FUNCTIONNOPROTO.value}
_REFERRING = {_TYPE.POINTER.value, _TYPE.LVALUEREFERENCE.value, _TYPE.RVALUEREFERENCE.value}
_ARRAYS = {
    _TYPE.CONSTANTARRAY.value,
    _TYPE.INCOMPLETEARRAY.value,
    _TYPE.VARIABLEARRAY.value,
    _TYPE.DEPENDENTSIZEDARRAY.value,
}


def _is_function_pointer(kind: Any) -> bool:
    """Whether a type leads to a function, through however many pointers, references and arrays."""
    for _ in range(8):
        kind = kind.get_canonical()
        number = kind._kind_id
        if number in _FUNCTION_TYPES or number == _TYPE.MEMBERPOINTER.value:
            return True
        if number in _REFERRING:
            kind = kind.get_pointee()
        elif number in _ARRAYS:
            kind = kind.element_type
        else:
            return False
    return False


_FUNCTIONS = frozenset(("FUNCTION_DECL", "FUNCTION_TEMPLATE", "CXX_METHOD", "OVERLOADED_DECL_REF"))
_TRANSPARENT = frozenset(("UNEXPOSED_EXPR", "PAREN_EXPR", "UNARY_OPERATOR"))
_Found = tuple[str, str] | tuple[str, str, str] | None


def _cast(node: Cursor, dialect: str) -> _Found:
    """Only functions of the file become pointers to functions, and these nothing else."""
    inner = [child for child in node.get_children() if child.kind.is_expression()]
    source = inner[-1] if inner else None
    if not _is_function_pointer(node.type):
        if source is None or not _is_function_pointer(source.type):
            return None
        if node.type.get_canonical()._kind_id in (_TYPE.VOID.value, _TYPE.BOOL.value):
            return None
        return "XP1016", "a pointer to a function becomes a number or another pointer"
    while source is not None and source.kind.name in _TRANSPARENT:
        children = list(source.get_children())
        source = children[-1] if children else None
    if source is not None and source.kind.name in ("DECL_REF_EXPR", "LAMBDA_EXPR"):
        target = source.referenced
        if source.kind.name == "LAMBDA_EXPR" or (target and target.kind.name in _FUNCTIONS):
            return None
    return "XP1016", "a number or another pointer becomes a pointer to a function"


def _union(node: Cursor, dialect: str) -> _Found:
    for child in node.get_children():
        if child.kind.name == "FIELD_DECL" and _is_function_pointer(child.type):
            return "XP1016", "a union with a pointer to a function"
    return None


def _call(node: Cursor, dialect: str) -> _Found:
    target = node.referenced
    if target is None or target.kind.name != "FUNCTION_DECL":
        return None
    if target.get_definition() is not None or _is_instance(target) or _is_ours(target):
        return None
    return "XP1010", f"{target.spelling!r} is called and has no body", "put its body into the file"


def _is_instance(function: Cursor) -> bool:
    """Whether a function is made of a template, whose body is what counts."""
    lib = cindex.conf.lib
    lib.clang_getSpecializedCursorTemplate.argtypes = [cindex.Cursor]
    lib.clang_getSpecializedCursorTemplate.restype = cindex.Cursor
    template = lib.clang_getSpecializedCursorTemplate(function)
    return template is not None and not template.kind.is_invalid()


def _is_ours(function: Cursor) -> bool:
    """Whether the runtime has the function: it is declared there, or is the compiler's own."""
    return (
        function.location.file is None
        or function.spelling in _LIBRARY
        or bool(re.match(r"xp_|__builtin_", function.spelling))
    )


_LIBRARY = frozenset(("printf",))


def _variable(node: Cursor, dialect: str) -> _Found:
    storage = node.storage_class.name
    if storage == "EXTERN" and node.get_definition() is None:
        return "XP1016", f"{node.spelling!r} is declared and lies in no file that is read"
    scope = node.semantic_parent
    is_static = storage == "STATIC" or scope is None or scope.kind.name in _SCOPES
    if not is_static:
        return None
    for inner in node.walk_preorder():
        if inner.kind.name == "LAMBDA_EXPR":
            return None
        if inner.kind.name == "CALL_EXPR" and _needs_code(inner):
            return (
                "XP1016",
                f"{node.spelling!r} is initialised by code that runs when the file is loaded",
                "give it a constant, or compute it in the kernel",
            )
    return None


_SCOPES = frozenset(("NAMESPACE", "TRANSLATION_UNIT", "LINKAGE_SPEC", "UNEXPOSED_DECL"))


def _needs_code(call: Cursor) -> bool:
    """Whether a call in an initialiser can be no constant."""
    target = call.referenced
    if target is None or target.kind.name not in ("FUNCTION_DECL", "CXX_METHOD"):
        return False
    definition = target.get_definition() or target
    for token in definition.get_tokens():
        if token.spelling in ("constexpr", "consteval"):
            return False
        if token.spelling in ("(", "{"):
            break
    return not target.spelling.startswith("__builtin_")


def _namespace(node: Cursor, dialect: str) -> _Found:
    if node.spelling == "xp":
        return "XP1016", "the namespace 'xp' is the emulator's own"
    return None


def _heap(node: Cursor, dialect: str) -> _Found:
    if dialect in ("cuda", "hip"):
        return None
    return "XP1016", "memory from the heap, which the dialect does not have"


def _always(code: str, message: str) -> Any:
    return lambda node, dialect: (code, message)


_RULES: dict[str, Any] = {
    "ASM_STMT": _always("XP1008", "inline assembly has no meaning on this machine"),
    "MS_ASM_STMT": _always("XP1008", "inline assembly has no meaning on this machine"),
    "INDIRECT_GOTO_STMT": _always("XP1016", "a computed goto"),
    "ADDR_LABEL_EXPR": _always("XP1016", "the address of a label"),
    "CXX_THROW_EXPR": _always("XP1016", "exceptions in a kernel"),
    "CXX_NEW_EXPR": _heap,
    "CXX_DELETE_EXPR": _heap,
    "CSTYLE_CAST_EXPR": _cast,
    "CXX_REINTERPRET_CAST_EXPR": _cast,
    "CXX_STATIC_CAST_EXPR": _cast,
    "CXX_FUNCTIONAL_CAST_EXPR": _cast,
    "UNION_DECL": _union,
    "CALL_EXPR": _call,
    "VAR_DECL": _variable,
    "NAMESPACE": _namespace,
}
_BY_NUMBER = {getattr(cindex.CursorKind, name).value: rule for name, rule in _RULES.items()}
