"""A real language model on this machine: llama.cpp's server with a GGUF file, in another process.

    python benchmarks/guiding/local.py MODEL.gguf       serves, and prints the address

Needs the package xllamacpp (`pip install xpiler-tvm[llm-local]`).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTEXT = 4096
START_SECONDS = 120.0


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """The address of a server of `model`, with `/v1`. Raises `RuntimeError` where none starts."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"no server of {model.name} has started")
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def serve(model: Path) -> None:
    """Serves a model until the process ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.port = 0
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
