"""Leaves of a file what one kernel is made of: its lines stay, what it cannot reach becomes blank.

Host code, other kernels and what only these use need neither compile nor be looked at. The file is
split at its braces and semicolons; a declaration is reached where its name occurs in one that is.
That keeps too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from xpiler_tvm.kernel import Dialect

from .lexing import Token, directive, tokens

_TYPES = frozenset(("struct", "class", "union", "enum"))
_PAIRS = {"(": ")", "[": "]", "{": "}"}
# What has parentheses in a declaration and is no function.
_LIKE_CALLS = re.compile(
    r"__attribute__|__attribute|alignas|__align__|__declspec|decltype|noexcept|__launch_bounds__|"
    r"__cluster_dims__|__noinline__|amdgpu_\w+"
)
_DEVICE = frozenset(("__device__", "__global__", "constexpr", "consteval")) | {
    f"__mlu_{name}__" for name in ("func", "device", "entry", "global", "builtin")
}
_KEYWORDS = frozenset(
    (
        *("auto", "bool", "char", "class", "const", "constexpr", "double", "enum", "extern"),
        *("float", "half", "inline", "int", "long", "mutable", "register", "short", "signed"),
        *("static", "struct", "template", "thread_local", "typedef", "typename", "union"),
        *("unsigned", "using", "void", "volatile"),
    )
)


@dataclass
class _Declaration:
    """A declaration at file or namespace scope."""

    parts: list[Token] = field(default_factory=list)
    head: int = 0  # how many parts come before the first brace at its own level
    body: bool = False  # whether it has such a brace
    function: bool = False

    def names(self) -> set[str]:
        """What it may declare."""
        head = _without_template(self.parts[: self.head] if self.body else self.parts)
        if self.function:
            return _function_name(head)
        kinds = {part.text for part in head if part.kind == "name"}
        if kinds & {"typedef", "enum"}:
            return _names(self.parts) - _KEYWORDS
        if kinds & {"using", "namespace"} and "=" not in {part.text for part in head}:
            # `using a::b;` makes b known here.
            named = [part.text for part in head if part.kind == "name"]
            return set(named[-1:]) if "namespace" not in kinds else set()
        return _declared(_without_template(self.parts)) - _KEYWORDS


def _without_template(parts: list[Token]) -> list[Token]:
    """A declaration behind its `template <…>`."""
    while len(parts) > 1 and (parts[0].text, parts[1].text) == ("template", "<"):
        angles = rounds = 0
        for number, part in enumerate(parts):
            rounds += (part.text == "(") - (part.text == ")")
            if not rounds and part.text in "<>":
                angles += 1 if part.text == "<" else -1
                if not angles:
                    parts = parts[number + 1 :]
                    break
        else:
            return []
    return parts


def _names(parts: Iterable[Token]) -> set[str]:
    return {part.text for part in parts if part.kind == "name"}


def _function_name(head: list[Token]) -> set[str]:
    """The name before the first parenthesis, or before the template arguments that stand there."""
    name = ""
    skipping = angles = 0
    for part in head:
        if skipping:
            skipping += (part.text == "(") - (part.text == ")")
        elif part.text == "(":
            if not _LIKE_CALLS.fullmatch(name):
                return {name}
            skipping = 1
        elif part.text in "<>":
            angles += 1 if part.text == "<" else -1
        elif part.kind == "name" and not angles:
            name = part.text
    return set()


def _declared(parts: list[Token]) -> set[str]:
    """Names that a declarator ends behind, and those of types; not what initialises them."""
    found: set[str] = set()
    depth, value = 0, False
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if part.text in _PAIRS:
            depth += 1
        elif part.text in _PAIRS.values():
            depth -= 1
        elif depth == 0:
            if part.text == "=":
                value = True
            elif part.text == ",":
                value = False
            elif part.kind == "name" and not value:
                follower = after.text if after else ";"
                if follower in (";", ",", "=", "[", "(", "{", ":", "<"):
                    found.add(part.text)
    return found


def _is_scope(head: list[Token]) -> bool:
    """Whether a brace behind `head` opens a namespace or a block of linkage."""
    words = [part.text for part in head]
    return "namespace" in words[:2] or (words[:1] == ["extern"] and len(words) == 2)


def _ends_at_brace(head: list[Token]) -> bool:
    """Whether the block behind `head` is a function's body."""
    words = [part.text for part in _without_template(head)]
    depth = 0
    top: list[str] = []
    for word in words:
        depth -= word in (")", "]")
        if depth == 0:
            top.append(word)
        depth += word in ("(", "[")
    if "=" in top and "operator" not in top:
        return False
    return not (_TYPES & set(top) and words[-1] != ")") and "(" in words


def _split(text: str) -> Iterator[_Declaration]:
    """The declarations of a text. Raises `ValueError` where braces do not match."""
    current = _Declaration()
    scopes = 0
    open_pairs: list[str] = []
    for token in tokens(text):
        if token.kind == "directive":
            continue
        if token.kind == "mark" and not open_pairs:
            if token.text == "{" and not current.body and _is_scope(current.parts):
                scopes += 1
                current = _Declaration()
                continue
            if token.text == "}":
                if not scopes:
                    raise ValueError("a brace that closes nothing")
                scopes -= 1
                current = _Declaration()
                continue
            if token.text == ";":
                if current.parts:
                    current.parts.append(token)
                    yield current
                current = _Declaration()
                continue
            if token.text == "{" and not current.body:
                current.body, current.head = True, len(current.parts)
                current.function = _ends_at_brace(current.parts)
        current.parts.append(token)
        if token.kind != "mark":
            continue
        if token.text in _PAIRS:
            open_pairs.append(_PAIRS[token.text])
        elif token.text == "[[":
            open_pairs += "]]"
        elif token.text in (")", "]", "}", "]]"):
            for closing in token.text:
                if not open_pairs or open_pairs.pop() != closing:
                    raise ValueError("brackets that do not match")
            if not open_pairs and token.text == "}" and current.function:
                yield current
                current = _Declaration()
    if scopes or open_pairs:
        raise ValueError("a brace that nothing closes")
    if current.parts:
        yield current


@dataclass
class _Macro:
    """What a macro may expand to, as names, and the beginnings and ends of those that it pastes."""

    names: set[str] = field(default_factory=set)
    pasted: set[str] = field(default_factory=set)


def _macros(text: str) -> dict[str, _Macro]:
    found: dict[str, _Macro] = {}
    for token in tokens(text):
        if token.kind != "directive":
            continue
        name, rest = directive(token)
        words = re.findall(r"[^\W\d]\w*", rest)
        if name == "define" and words:
            macro = found.setdefault(words[0], _Macro())
            macro.names.update(words[1:])
            for pair in re.findall(r"(\w*)\s*##\s*(\w*)", rest):
                macro.pasted.update(pair)
    return found


def device_code(text: str, dialect: Dialect, entry: str) -> str:
    """`text` with everything blanked out that the kernel `entry` cannot reach.

    Lines and columns are kept, and so are directives. A text that has no function of that name, or
    whose braces do not match, stays as it is: the compiler will say what is wrong.
    """
    try:
        declarations = list(_split(text))
    except ValueError:
        return text
    by_name: dict[str, list[int]] = {}
    kept: set[int] = set()
    for number, declaration in enumerate(declarations):
        for name in declaration.names():
            by_name.setdefault(name, []).append(number)
        if _always(declaration, dialect):
            kept.add(number)
    roots = re.findall(r"[^\W\d]\w*", entry)
    if not roots or not any(declarations[n].function for n in by_name.get(roots[0], ())):
        return text
    macros, seen = _macros(text), set[str]()
    pending = roots + [name for number in kept for name in _names(declarations[number].parts)]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in macros:
            pending += macros[name].names
            pending += [one for one in by_name if _may_be_pasted(one, macros[name].pasted)]
        for number in by_name.get(name, ()):
            if number not in kept:
                kept.add(number)
                pending += _names(declarations[number].parts)
    return _without(text, [d for n, d in enumerate(declarations) if n not in kept])


def _may_be_pasted(name: str, parts: set[str]) -> bool:
    return any(part and (name.startswith(part) or name.endswith(part)) for part in parts)


def _always(declaration: _Declaration, dialect: Dialect) -> bool:
    """Whether it has no name by which it could be reached: operators, directives of `using`."""
    words = [part.text for part in declaration.parts]
    if words[:2] == ["using", "namespace"]:
        return True
    head = words[: declaration.head] if declaration.body else words
    return "operator" in head and (dialect == "vnni" or bool(_DEVICE & set(head)))


def _without(text: str, declarations: list[_Declaration]) -> str:
    pieces, place = [], 0
    for declaration in declarations:
        for part in declaration.parts:
            pieces += [text[place : part.start], re.sub(r"[^\n\r]", " ", part.text)]
            place = part.end
    return "".join([*pieces, text[place:]])
