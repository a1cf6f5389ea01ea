"""Libraries of kernels: a result for each, kept, and never made twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import pytest

import xpiler_tvm as xt
from xpiler_tvm.batch import Ledger, Result
from xpiler_tvm.batch.job import Job, Limits, digest_of, run
from xpiler_tvm.batch.report import summary_of, write_report

SCALE = """
__global__ void scale(const float *x, float *y, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}
"""


def kernel(factor: float = 2.0) -> xt.Kernel:
    params = (
        xt.Tensor("x", (64,)),
        xt.Tensor("y", (64,), intent="out"),
        xt.Scalar("a", "float32", factor),
        xt.Scalar("n", value=64),
    )
    return xt.Kernel(SCALE, "cuda", "scale", params, xt.Launch((2,), (32,)))


REFUSED = replace(kernel(), source=SCALE.replace("float a", "float b"))


class Direct(Executor):
    """Runs what it is given at once."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, work, /, *args, **options):  # type: ignore[no-untyped-def]
        self.jobs += [one for one in args if isinstance(one, Job)]
        future: Future[list[Result]] = Future()
        future.set_result(work(*args, **options))
        return future


class Dying(Direct):
    """Its worker dies with the first job."""

    def submit(self, work, /, *args, **options):  # type: ignore[no-untyped-def]
        if not self.jobs:
            self.jobs += args
            future: Future[list[Result]] = Future()
            future.set_exception(ConnectionError("the worker is gone"))
            return future
        return super().submit(work, *args, **options)


def test_every_kernel_has_a_result(tmp_path: Path) -> None:
    told: list[Result] = []
    batch = xt.transcompile_many(
        [("good", kernel()), ("bad", REFUSED), ("again", kernel())],
        ("hip", "cuda"),
        executor=Direct(),
        jobs=1,
        ledger=tmp_path / "ledger.sqlite",
        progress=told.append,
    )
    found = {(one.name, one.target): one for one in batch}
    assert {name for name, _ in found} == {"good", "bad"}
    good, bad = found["good", "hip"], found["bad", "cuda"]
    assert good.status == "translated" and good.rung == "blocks" and good.checks["tested"] > 3
    assert b"__global__" in batch.ledger.files_of(good)[".hip"]
    assert bad.status == "refused" and bad.code == "XP1010", bad
    assert batch.counts == {"translated": 2, "refused": 2} and batch.known == 2
    assert len(told) == 4 and good.peak > 1 << 20
    page = tmp_path / "report.html"
    write_report(batch.ledger, page)
    assert "XP1010" in page.read_text() and "color-scheme" in page.read_text()


def test_what_is_known_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add([Result(digest_of(kernel()), "hip", "known", "translated")])
        ledger.add([Result(digest_of(REFUSED), "hip", "open", "crashed")])
    executor = Direct()
    kernels = [("known", kernel()), ("open", REFUSED)]
    batch = xt.transcompile_many(kernels, "hip", executor=executor, jobs=1, ledger=path)
    assert [job.name for job in executor.jobs] == ["open"]
    assert batch.counts == {"refused": 1} and summary_of(batch.ledger).count == 2


def test_a_job_whose_worker_died_is_handed_out_again() -> None:
    batch = xt.transcompile_many([("one", REFUSED)], "hip", executor=Dying(), jobs=1)
    assert batch.counts == {"refused": 1}


def test_kernels_are_taken_as_there_is_room() -> None:
    class Waiting(Direct):
        def submit(self, work, /, *args, **options):  # type: ignore[no-untyped-def]
            self.jobs += args
            ahead.append(len(taken) - len(self.jobs))
            future: Future[list[Result]] = Future()
            future.set_result([Result(args[0].digest, "hip", args[0].name, "translated")])
            return future

    taken: list[int] = []
    ahead: list[int] = []

    def endless() -> Iterator[xt.Kernel]:
        for number in range(200):
            taken.append(number)
            yield kernel(float(number))

    batch = xt.transcompile_many(endless(), "hip", executor=Waiting(), jobs=1)
    assert batch.done == 200 and max(ahead) == 0


def test_what_ends_a_process_is_a_result() -> None:
    job = Job("slow", kernel(), ("hip",), Limits(memory=1 << 20))
    (result,) = run(job)
    assert result.status == "crashed" and result.message


def test_an_unknown_target_is_refused_before_any_work() -> None:
    with pytest.raises(xt.ReadError) as error:
        xt.transcompile_many([kernel()], "hipp")
    assert error.value.code == "XP1012"


def test_a_cluster_that_loses_a_worker_answers_all(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    kernels = [(f"{number}", replace(REFUSED, filename=f"{number}.cu")) for number in range(6)]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        seen: list[Result] = []

        def tell(result: Result) -> None:
            seen.append(result)
            if len(seen) == 1:
                os.kill(victim, signal.SIGKILL)
                time.sleep(0.1)

        batch = xt.transcompile_many(
            kernels,
            "hip",
            executor=client.get_executor(),
            jobs=2,
            ledger=tmp_path / "ledger.sqlite",
            progress=tell,
        )
    assert batch.counts == {"refused": 6}
    assert batch.ledger.repeated() == 0
