"""Measurements on other machines, by way of TVM's RPC tracker.

    tune(kernel, "vnni", bench=on_servers("tracker.local:9190", "cascadelake"))

A candidate is compiled here and run by whichever server of the key is free. A server may die, hang
or lie: each measurement happens in a process of its own that is ended when its time is up, is tried
once more, and is then lost, not the search. Results come back and are held against the source's
here; a time below what a processor can do, or above what has passed on the clock, is not believed.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from xpiler_tvm.codegen.vnni import build, unaligned
from xpiler_tvm.errors import SetupError
from xpiler_tvm.lifting import Trial
from xpiler_tvm.targets.vnni import mcpu_of

from .bench import Bench, Kind, Outcome
from .oracle import Oracle
from .roofline import floor_of

TRIES = 2


def on_servers(
    tracker: str, key: str, *, seconds: float = 60.0
) -> Callable[[tvm.IRModule, str, Oracle], Bench]:
    """What makes a bench of a tracker's servers: its `host:port`, their key, seconds for each try.

    Raises `SetupError` XP6007 where the address is none, or the target is no CPU.
    """
    host, colon, port = tracker.partition(":")
    if not colon or not port.isdigit():
        raise SetupError("XP6007", f"{tracker!r} is no address", hint="as in localhost:9190")

    def make(mod: tvm.IRModule, target: str, oracle: Oracle) -> Bench:
        if target.partition(":")[0] != "vnni":
            raise SetupError("XP6007", f"{target} is not measured on servers", hint="use vnni")
        place = _Place(host, int(port), key, seconds)
        return Remote(oracle, mcpu_of(target), place, floor_of(mod))

    return make


@dataclass(frozen=True)
class _Place:
    """Where servers are found, and how long one measurement may take."""

    host: str
    port: int
    key: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Remote:
    """A bench whose times come from servers."""

    oracle: Oracle
    mcpu: str
    place: _Place
    floor: float = 0.0
    kind: Kind = "measured"

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        why = ""
        for _ in range(TRIES):
            found = _in_time(lambda: self._measure(scheduled), 2 * self.place.seconds)
            if "lost" not in found:
                return self._judged(found)
            why = str(found["lost"])
        return Outcome(None, self.kind, f"no server gave an answer: {why}")

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        times = [[self.outcome(program).seconds for program in programs] for _ in range(2)]
        return [min(each or float("inf") for each in column) for column in zip(*times, strict=True)]

    def _judged(self, found: Mapping[str, Any]) -> Outcome:
        if "why" in found:
            return Outcome(None, self.kind, str(found["why"]))
        check = self.oracle.check(found["results"])
        if not check.ok:
            return Outcome(None, self.kind, f"{check.verdict}: {check.detail}")
        seconds = float(found["seconds"])
        if not self.floor <= seconds <= float(found["elapsed"]):
            return Outcome(None, self.kind, f"{seconds:.3g} s cannot be: the server is wrong")
        return Outcome(seconds, self.kind)

    # ------------------------------------------------------------ in a process of its own

    def _measure(self, scheduled: tvm.IRModule) -> dict[str, Any]:
        from tvm import rpc

        with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
            library = Path(folder) / "candidate.so"
            try:
                self._export(scheduled, library)
            except Exception as error:  # TVM's failure on this candidate, whatever its class
                return {"why": str(error).strip().splitlines()[-1]}
            tracker = rpc.connect_tracker(self.place.host, self.place.port)
            server = tracker.request(self.place.key, session_timeout=self.place.seconds)
            server.upload(str(library))
            loaded = server.load_module(library.name)
            device = server.cpu()
            results = []
            for trial in self.oracle.trials:
                names, arguments = _sent(scheduled["main"], trial, device)
                loaded["main"](*arguments)
                results.append({name: given.numpy() for name, given in names.items()})
            begun = time.monotonic()
            timer = loaded.time_evaluator("main", device, number=1, repeat=5, min_repeat_ms=5)
            times = timer(*arguments).results
            return {
                "seconds": float(min(times)),
                "elapsed": time.monotonic() - begun,
                "results": results,
            }

    def _export(self, scheduled: tvm.IRModule, library: Path) -> None:
        func = unaligned(scheduled["main"].without_attr("target"))
        mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        built = build(mod, self.mcpu)
        built.export_library(str(library))


def _sent(main: tvm.tirx.PrimFunc, trial: Trial, device: Any) -> tuple[dict[str, Any], list[Any]]:
    """A trial's arrays on a server: by name, and as arguments in the shapes of `main`."""
    named: dict[str, Any] = {}
    arguments: list[Any] = []
    for param in main.params:
        name, shape = str(param.name), getattr(param, "shape", None)
        if shape is None:
            arguments.append(trial.scalars[name])
            continue
        array = np.ascontiguousarray(trial.inputs[name]).reshape([int(each) for each in shape])
        named[name] = tvm.runtime.tensor(array, device)
        arguments.append(named[name])
    return named, arguments


def _in_time(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What `work()` gives in a forked process; `lost` says why, where nothing comes in time."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def run() -> None:
        try:
            there.send(work())
        except Exception as error:  # a connection that failed, in any of TVM's classes
            lines = str(error).strip().splitlines() or [repr(error)]
            there.send({"lost": lines[-1]})

    process = context.Process(target=run, daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(seconds):
            return {"lost": f"nothing came in {seconds:g} s"}
        found: dict[str, Any] = here.recv()
        return found
    except EOFError:
        return {"lost": "the connection's process ended"}
    finally:
        process.kill()
        process.join()
        here.close()
