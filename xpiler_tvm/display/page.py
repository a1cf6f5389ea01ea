"""From a template to a fragment of HTML: escaped, with its style, the same in light and dark.

There are no scripts in it: what reacts to the mouse does so by CSS, so that a fragment works in
every notebook that shows HTML, and shows all its text in those that drop styles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xpiler_tvm.display"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["bytes"] = bytes_text
    environment.filters["seconds"] = seconds_text
    return environment


def part(template: str, **values: Any) -> Markup:
    """A template filled in; texts among the values are escaped."""
    return Markup(_environment().get_template(template).render(values))


def page(title: str, *parts: Markup, about: str = "") -> str:
    """Parts below a title, with the style that they share."""
    style, _, _ = _environment().loader.get_source(_environment(), "style.css")  # type: ignore[union-attr]
    return str(part("page.html", title=title, about=about, parts=parts, style=Markup(style)))


def folded(title: str, inner: Markup, *, opened: bool = False) -> Markup:
    """A part that opens on a click."""
    return part("folded.html", title=title, inner=inner, opened=opened)


def unique(*what: object) -> str:
    """A name for an element: the same for the same content, so that outputs are reproducible."""
    return "x" + hashlib.sha256(repr(what).encode()).hexdigest()[:10]


def bytes_text(count: int | None) -> str:
    if count is None:
        return "of symbolic size"
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


def seconds_text(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def facts(rows: Mapping[str, object]) -> Markup:
    """A small table of names and values; those that are empty are left out."""
    return part("facts.html", rows={name: value for name, value in rows.items() if value})
