"""Which of our facts belong into a question: ranked by BM25 over the words of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from .knowledge import Fact, facts

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def words(text: str) -> list[str]:
    """The words of a text, identifiers in parts and as a whole: `__bang_add` has `bang`, `add`."""
    names = re.findall(r"\w+", text)
    parts = [part for name in names for part in _WORD.findall(name)]
    return [word.lower() for word in (*names, *parts)]


@cache
def _index(platform: str) -> tuple[tuple[Fact, ...], Any]:
    import bm25s

    known = tuple(fact for fact in facts() if platform in fact.platforms)
    index = bm25s.BM25()
    index.index([words(fact.text) for fact in known], show_progress=False)
    return known, index


def examples(platform: str, about: str, most: int) -> Sequence[str]:
    """Up to `most` facts that share words with a text, the best first; the same for the same."""
    known, index = _index(platform)
    asked = [word for word in dict.fromkeys(words(about)) if word in index.vocab_dict]
    if not asked:
        return []
    scores = index.get_scores(asked)
    order = sorted(range(len(known)), key=lambda place: (-float(scores[place]), place))
    return [known[place].text for place in order[:most] if scores[place] > 0]
