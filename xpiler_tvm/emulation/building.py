"""A kernel's text to a library, and what the compiler says of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xpiler_tvm.dialects.bang import Mode
from xpiler_tvm.errors import SetupError, Span
from xpiler_tvm.kernel import Kernel

from . import compiler, intrinsics, vetting
from .padding import ROOM, pad_variables
from .reaching import device_code
from .source import MARKER, Build, translation_unit

# A checked build calls checks.cc before every access and at arithmetic that C leaves undefined.
_CHECKED = (
    "-O1",
    "-fno-wrapv",
    # Variables in sections of their own can be moved apart.
    "-fdata-sections",
    "-fsanitize=thread",
    "-fsanitize=bounds,alignment,signed-integer-overflow,integer-divide-by-zero",
)
_DISTINGUISH_VOLATILE = {
    "gcc": ("--param=tsan-distinguish-volatile=1",),
    "clang": ("-mllvm", "-tsan-distinguish-volatile=1"),
}
_WARNINGS = {
    "gcc": ("-Wuninitialized", "-Wmaybe-uninitialized"),
    "clang": ("-Wuninitialized", "-Wsometimes-uninitialized", "-Wconditional-uninitialized"),
}


@dataclass(frozen=True)
class How:
    """What a text is compiled for, and with which further options; see `text.run_text`."""

    arch: str | None = None
    mode: Mode = "strict"
    build: Build = "fast"
    flags: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


def _said(severity: str) -> re.Pattern[str]:
    place = r"(?P<line>\d+):(?P<column>\d+)"
    return re.compile(rf"^{MARKER}:{place}: {severity}: (?P<message>.*)$", re.MULTILINE)


_ERROR, _WARNING = _said("(?:fatal )?error"), _said("warning")
_ANY = re.compile(r"^.*?\berror: (?P<message>.*)$", re.MULTILINE | re.IGNORECASE)
# Where the user's text asked for the template in which an error is.
_ASKED = re.compile(
    rf"^{MARKER}:(?P<line>\d+):(?P<column>\d+):\s+(?:required from|note: in instantiation)",
    re.MULTILINE,
)


def build_library(kernel: Kernel, text: str, how: How) -> Path:
    """The library of a resolved kernel's `text`, from the cache or compiled now.

    Only what the entry reaches is compiled, and only where it does what kernels do.

    Raises `ReadError` as `vetting.vet`, `SetupError` XP6002 without a C++ compiler and XP6003, with
    the place, where it refuses the text.
    """
    flags = (*_processor_flags(kernel, text, how), *how.flags)
    try:
        if how.build == "checked":
            flags += (*_CHECKED, *_DISTINGUISH_VOLATILE[compiler.family()])
        objects = tuple(_natives(kernel, how))
        text = device_code(text, kernel.dialect, kernel.entry or "")
        unit = _unit(kernel, text, how)
        vetting.vet(kernel, text, unit, flags)

        def inspect(path: Path) -> None:
            vetting.inspect(kernel, path, objects, flags)
            if how.build == "checked":
                pad_variables(path)

        return compiler.library(unit, flags=flags, objects=objects, inspect=inspect)
    except compiler.CompileFailure as failure:
        first = _ANY.search(failure.log)
        message = first["message"] if first else failure.log.strip()[-500:]
        # A failed assertion of a header is the user's error, in the line that led there.
        place = _ERROR.search(failure.log)
        if "static assertion failed" in message or "static_assert failed" in message:
            place = _ASKED.search(failure.log) or place
        elif place:
            message = place["message"]
        span = span_at(kernel, int(place["line"]), int(place["column"])) if place else None
        raise SetupError(
            "XP6003",
            f"the emulator could not compile {kernel.entry!r}: {message}",
            span=span,
            hint="it takes device code, and of inline assembly mma, ldmatrix and cp.async",
        ) from None


def _processor_flags(kernel: Kernel, text: str, how: How) -> tuple[str, ...]:
    return intrinsics.flags(text, how.arch, how.build) if kernel.dialect == "vnni" else ()


def _natives(kernel: Kernel, how: How) -> Iterator[Path]:
    """What the kernel's library is linked with."""
    yield compiler.native_object("runtime.cc")
    if kernel.dialect == "bang":
        yield compiler.native_object("bang.cc")
    if kernel.dialect == "cuda":
        yield compiler.native_object("async_copies.cc")
    if how.build == "checked":
        yield compiler.native_object("checks.cc", (f"-DXP_PADDING={ROOM}",))


def uses_before_values(kernel: Kernel, text: str, how: How) -> list[Span]:
    """Where the compiler sees, or suspects, a variable used before it has a value."""
    flags = (*_processor_flags(kernel, text, how), *_WARNINGS[compiler.family()])
    text = device_code(text, kernel.dialect, kernel.entry or "")
    log = compiler.warnings(_unit(kernel, text, how), flags=flags)
    return [
        span_at(kernel, int(found["line"]), int(found["column"]))
        for found in _WARNING.finditer(log)
    ]


def _unit(kernel: Kernel, text: str, how: How) -> str:
    return translation_unit(
        kernel.source,
        text,
        kernel.dialect,
        kernel.entry or "",
        arch=how.arch,
        mode=how.mode,
        build=how.build,
        symbols=how.symbols,
    )


def span_at(kernel: Kernel, line: int, column: int) -> Span:
    """The place in the kernel's file, with the text of its line."""
    lines = kernel.source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return Span(kernel.filename, line, max(1, min(column, len(text) + 1)), text=text)
