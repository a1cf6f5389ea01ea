"""Language models: asked for proposals, never trusted.

    client = llm.connect("gpt-…", llm.Settings(budget=llm.Budget(calls=20)))
    xt.lift(kernel, lifter="auto", llm=client)

Any server with OpenAI's interface will do (`OPENAI_BASE_URL`, `OPENAI_API_KEY`). What a model says
is data of a schema: it is checked by those who asked, and nothing of it is ever executed as it is.

| file | what it does |
|---|---|
| `settings.py` | what is asked and what it may cost |
| `usage.py` | what it did cost |
| `client.py` | one question and its validated answer: attempts, budgets, recordings |
| `wire.py` | one request over the `openai` package, every failure as one kind of error |
| `recording.py` | answers kept in a folder |
| `prompts.py`, `prompts/` | the questions, one file a step |
| `retrieval.py`, `knowledge.py` | examples for a question from our own tables |
| `prior.py` | probabilities over lettered choices |
| `annotation.py` | hints about a kernel's regions and arrays |
"""

from __future__ import annotations

from .client import Client, connect
from .prior import prior
from .settings import Budget, Price, Settings
from .usage import Usage

__all__ = ["Budget", "Client", "Price", "Settings", "Usage", "connect", "prior"]
