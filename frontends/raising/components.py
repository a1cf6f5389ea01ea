"""Strongly connected components of a graph of reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name")


def components(edges: Mapping[Name, Sequence[Name]]) -> list[list[Name]]:
    """The components of `node -> nodes it needs`, each after those it needs.

    Tarjan's algorithm without recursion: chains of reads may be long.
    """
    number: dict[Name, int] = {}
    low: dict[Name, int] = {}
    stack: list[Name] = []
    held: set[Name] = set()
    done: list[list[Name]] = []
    for root in edges:
        if root in number:
            continue
        path: list[tuple[Name, Iterator[Name]]] = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        held.add(root)
        while path:
            node, rest = path[-1]
            following = next((n for n in rest if n not in number or n in held), None)
            if following is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == number[node]:
                    at = stack.index(node)
                    done.append(stack[at:])
                    held -= set(stack[at:])
                    del stack[at:]
            elif following in number:
                low[node] = min(low[node], number[following])
            else:
                number[following] = low[following] = len(number)
                stack.append(following)
                held.add(following)
                path.append((following, iter(edges[following])))
    return done
