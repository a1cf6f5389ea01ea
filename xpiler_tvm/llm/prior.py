"""Probabilities over choices, from the first token of a language model's answer.

A choice goes by a letter, so that one token answers; the letters' probabilities are the prior. A
model prefers some letters whatever they stand for, so the choices are asked for in several orders.
A share of the mass is spread evenly: a search that starts from the prior can leave it.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence

from xpiler_tvm.errors import ModelError

from .client import Client
from .wire import Messages

LETTERS = string.ascii_uppercase
MOST = 20
"""Choices that are asked about: a server tells the probabilities of that many tokens."""


def prior(
    client: Client,
    question: str,
    choices: Sequence[str],
    *,
    orders: int = 2,
    even: float = 0.2,
) -> tuple[float, ...]:
    """A probability for each choice, all positive, summing to one.

    Parameters
    ----------
    question : what the choices answer; they are listed below it.
    choices : one line each. Those beyond `MOST` have the even share alone.
    orders : in how many orders the choices are shown; the second is the first reversed.
    even : the share that all choices have alike, in (0, 1].

    From a server without probabilities each order is one vote. A model that cannot be asked gives
    the even distribution: a prior is advice, and its lack is no error.
    """
    if not choices:
        return ()
    if not 0.0 < even <= 1.0:
        raise ValueError("the even share is in (0, 1]")
    shown = list(range(min(len(choices), MOST)))
    weights = [0.0] * len(choices)
    for number in range(orders):
        turn = number // 2 * 7 % len(shown)
        order = shown[turn:] + shown[:turn]
        order = order[::-1] if number % 2 else order
        try:
            found = _asked(client, question, [choices[place] for place in order], number)
        except ModelError:
            continue
        for place, share in zip(order, found, strict=True):
            weights[place] += share
    total = sum(weights)
    flat = 1.0 / len(choices)
    if total <= 0.0:
        return (flat,) * len(choices)
    return tuple(even * flat + (1 - even) * weight / total for weight in weights)


def _asked(client: Client, question: str, choices: Sequence[str], attempt: int) -> list[float]:
    """The shares of the choices in one order; all zero where the answer is no letter of theirs."""
    letters = LETTERS[: len(choices)]
    rows = "\n".join(f"{letter}: {choice}" for letter, choice in zip(letters, choices, strict=True))
    messages: Messages = [
        {"role": "system", "content": "Answer with the letter of one choice and nothing else."},
        {"role": "user", "content": f"{question}\n\n{rows}\n\nThe best choice is letter"},
    ]
    reply = client.first_letters(messages, attempt=attempt)
    legal = {name: math.exp(value) for name, value in reply.letters.items() if name in letters}
    if not legal:
        legal = dict(Counter(reply.text.strip()[:1]) & Counter(letters))
    shares = [legal.get(letter, 0.0) for letter in letters]
    mass = sum(shares) or 1.0
    return [share / mass for share in shares]
