"""Answers kept in a folder, so that a run can be repeated without a server."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpiler_tvm.errors import SetupError

from .wire import Reply

VERSION = 1


def key_of(question: dict[str, Any]) -> str:
    """The name of a question: a hash of everything that the answer depends on."""
    text = json.dumps({"version": VERSION, **question}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Recording:
    """A folder of answers, a JSON file each; people may read and write them."""

    folder: Path

    def find(self, question: dict[str, Any]) -> Reply | None:
        """The answer to a question; none where there is no file, or a damaged one."""
        try:
            kept = json.loads(self._path(question).read_text(encoding="utf-8"))["reply"]
            tokens, letters = kept.get("tokens"), kept.get("letters") or {}
            return Reply(
                str(kept["text"]),
                tokens=None if tokens is None else (tokens[0], tokens[1], tokens[2]),
                letters={str(name): float(value) for name, value in letters.items()},
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return None

    def keep(self, question: dict[str, Any], reply: Reply) -> None:
        """Stores a whole answer. Raises `SetupError` XP6004 where the folder cannot be written."""
        kept = {"text": reply.text, "tokens": reply.tokens, "letters": reply.letters}
        path = self._path(question)
        text = json.dumps({"question": question, "reply": kept}, indent=1, sort_keys=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                os.replace(name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise SetupError(
                "XP6004", f"{self.folder} cannot be written to: {error.strerror or error}"
            ) from None

    def _path(self, question: dict[str, Any]) -> Path:
        return self.folder / f"{key_of(question)}.json"
