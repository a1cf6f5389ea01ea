"""Servers that measure, and those that die, hang or lie."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.benchmarks.support import script
from tests.tuning.programs import product
from xpiler_tvm.errors import SetupError
from xpiler_tvm.processor import missing_features
from xpiler_tvm.tuning.oracle import Oracle
from xpiler_tvm.tuning.remote import Remote, on_servers
from xpiler_tvm.tuning.space import Space

faults = script("tuning_faults")


def bench(port: int = 1, seconds: float = 30.0) -> Remote:
    """A bench whose oracle has more than one run of the source, as those of kernels do."""
    mod = product()
    runs = [Oracle.of_module(mod, seed=seed) for seed in range(2)]
    oracle = Oracle(runs[0].kernel, tuple(trial for run in runs for trial in run.trials))
    made = on_servers(f"127.0.0.1:{port}", "test", seconds=seconds)(mod, "vnni", oracle)
    assert isinstance(made, Remote)
    return made


def answering(monkeypatch: pytest.MonkeyPatch, measure: Any) -> Remote:
    monkeypatch.setattr(Remote, "_measure", measure)
    return bench(seconds=0.5)


def test_a_server_that_hangs_loses_its_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answering(monkeypatch, lambda *_: time.sleep(60)).outcome(product())
    assert found.seconds is None and "nothing came" in found.why


def test_a_connection_that_dies_loses_its_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answering(monkeypatch, lambda *_: os._exit(1)).outcome(product())
    assert found.seconds is None and "ended" in found.why


@pytest.mark.parametrize("seconds", [1e-12, 5.0])
def test_times_that_cannot_be_are_not_believed(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    def lie(self: Remote, _: object) -> dict[str, Any]:
        results = [trial.outputs for trial in self.oracle.trials]
        return {"seconds": seconds, "elapsed": 0.1, "results": results}

    found = answering(monkeypatch, lie).outcome(product())
    assert found.seconds is None and "cannot be" in found.why


def test_wrong_results_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(self: Remote, _: object) -> dict[str, Any]:
        right, last = (trial.outputs for trial in self.oracle.trials)
        wrong = {name: 0 * array for name, array in last.items()}
        return {"seconds": 1e-3, "elapsed": 0.1, "results": [right, wrong]}

    found = answering(monkeypatch, lie).outcome(product())
    assert found.seconds is None and "refuted" in found.why


def test_addresses_and_targets_are_looked_at() -> None:
    with pytest.raises(SetupError, match="no address") as caught:
        on_servers("localhost", "test")
    assert caught.value.code == "XP6007"
    with pytest.raises(SetupError, match="not measured"):
        on_servers("localhost:1", "test")(product(), "bang", Oracle.of_module(product()))


@pytest.mark.skipif(bool(missing_features("cascadelake")), reason="needs AVX512-VNNI")
def test_a_server_that_is_killed_is_replaced_by_the_next() -> None:
    port = faults.free_port()
    tracker = (
        "tvm.exec.rpc_tracker",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--port-end",
        str(port + 1),
    )
    server = ("tvm.exec.rpc_server", "--tracker", f"127.0.0.1:{port}", "--key", "test")
    mod = product()
    default = Space(mod, "vnni").default.scheduled.mod
    with faults.running(*tracker):
        with faults.running(*server):
            found = bench(port).outcome(default)
            assert found.ok, found.why
        assert not bench(port, seconds=1.0).outcome(default).ok
        with faults.running(*server):
            found = bench(port).outcome(default)
            assert found.ok, found.why
