"""A server with OpenAI's interface on this machine, whose answers are written down beforehand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Say:
    """An answer. `letters` are probabilities of first tokens, as logarithms."""

    text: str
    finish: str = "stop"
    refusal: str | None = None
    letters: Mapping[str, float] = field(default_factory=dict)
    counted: bool = True


@dataclass(frozen=True)
class Raw:
    """Bytes under a status, whatever they are, after so many seconds."""

    body: str
    status: int = 200
    kind: str = "application/json"
    seconds: float = 0.0


@dataclass(frozen=True)
class Drop:
    """The connection ends without an answer."""


Answer = Say | Raw | Drop
Script = Callable[[dict[str, Any], int], Answer]
"""The answer to a request (its JSON, and its number from 0)."""


@dataclass
class Scripted:
    """A running server: its address, and the requests that it got."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Runs a server on a free port of the loopback device."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(found.requests)
                found.requests.append(body)
                found.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = script(body, number)
            if isinstance(answer, Drop):
                self.close_connection = True
                self.connection.close()
            elif isinstance(answer, Raw):
                time.sleep(answer.seconds)
                self._send(answer.body.encode(), answer.kind, answer.status)
            elif body.get("stream"):
                self._send(_stream(answer).encode(), "text/event-stream")
            else:
                self._send(json.dumps(_completion(answer)).encode(), "application/json")

        def _send(self, data: bytes, kind: str, status: int = 200) -> None:
            try:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True  # the client has stopped waiting

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Scripted(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _completion(answer: Say) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": answer.finish,
        "message": {"role": "assistant", "content": answer.text, "refusal": answer.refusal},
    }
    if answer.letters:
        tops = [{"token": name, "logprob": p, "bytes": None} for name, p in answer.letters.items()]
        first = {"token": answer.text, "logprob": 0.0, "bytes": None, "top_logprobs": tops}
        choice["logprobs"] = {"content": [first], "refusal": None}
    return {**_head("chat.completion"), "choices": [choice], "usage": _usage(answer)}


def _stream(answer: Say) -> str:
    halves = answer.text[: len(answer.text) // 2], answer.text[len(answer.text) // 2 :]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": half}, "finish_reason": None}]}
        for half in halves
    ]
    last = {"index": 0, "delta": {"refusal": answer.refusal}, "finish_reason": answer.finish}
    chunks += [{"choices": [last]}, {"choices": [], "usage": _usage(answer)}]
    rows = [json.dumps({**_head("chat.completion.chunk"), **chunk}) for chunk in chunks]
    return "".join(f"data: {row}\n\n" for row in [*rows, "[DONE]"])


def _head(kind: str) -> dict[str, Any]:
    return {"id": "scripted", "object": kind, "created": 0, "model": "scripted"}


def _usage(answer: Say) -> dict[str, int] | None:
    if not answer.counted:
        return None
    out = max(1, len(answer.text) // 4)
    return {"prompt_tokens": 100, "completion_tokens": out, "total_tokens": 100 + out}
