"""The loop nest as a tree: extents, bindings, arrays with their memory and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from .nest import Array, Block, Loop, Node, nest_of
from .page import part

if TYPE_CHECKING:
    import tvm


def loop_tree(mod: tvm.IRModule) -> Markup:
    """The tree of `main`. Loops of one iteration are passed over."""
    return part("nest.html", nodes=nest_of(mod), kind=_kind, once=_once)


def _kind(node: Node) -> str:
    return {Loop: "loop", Block: "block", Array: "array"}[type(node)]


def _once(node: Node) -> bool:
    return isinstance(node, Loop) and node.extent == 1 and not node.at_once
