"""`tune`: budgets, records, interrupts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.tuning.programs import Imagined, product
from xpiler_tvm.cli import main
from xpiler_tvm.errors import ScheduleError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tuning import best_schedule, tune
from xpiler_tvm.tuning.records import Database
from xpiler_tvm.tuning.space import Space, key_of
from xpiler_tvm.tuning.tuner import Progress

SOURCE = """
#include <cuda_runtime.h>
__global__ void scale(const float *x, float *y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = 2.0f * x[i];
}
int main() {
  float *x, *y;
  cudaMalloc(&x, 1024 * 4);
  cudaMalloc(&y, 1024 * 4);
  scale<<<8, 128>>>(x, y);
}
"""


def test_the_result_is_never_slower_than_the_rules_own() -> None:
    seen: list[Progress] = []
    found = tune(product(), "vnni", trials=12, bench=lambda *_: Imagined(), progress=seen.append)
    assert found.seconds <= found.rule_seconds and found.speedup >= 1
    assert found.trials == 12 and len(found.curve) == 12
    assert list(found.curve) == sorted(found.curve, reverse=True)
    assert [one.trials for one in seen] == list(range(1, 13))
    assert key_of(found.schedule(product()).mod) == key_of(
        Space(product(), "vnni").at(found.decisions).scheduled.mod  # type: ignore[union-attr]
    )


def test_records_are_not_tried_again(tmp_path: Path) -> None:
    first, second = Imagined(), Imagined()
    one = tune(product(), "vnni", trials=8, db=tmp_path, bench=lambda *_: first)
    two = tune(product(), "vnni", trials=12, db=tmp_path, bench=lambda *_: second)
    assert two.trials == 12 and len(second.asked) == 4
    assert not set(first.asked) & set(second.asked)
    assert two.seconds <= one.seconds
    found = best_schedule(product(), "vnni", tmp_path)
    assert found is not None and key_of(found.mod) == key_of(two.schedule(product()).mod)
    assert best_schedule(product(16, 16, 16), "vnni", tmp_path) is None


def test_an_interrupt_keeps_the_best(tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        if now.trials == 5:
            raise KeyboardInterrupt

    found = tune(
        product(), "vnni", trials=32, db=tmp_path, bench=lambda *_: Imagined(), progress=stop
    )
    assert found.interrupted and found.trials == 5
    assert len([r for r in Database(tmp_path).records() if not r.final]) == 5


def test_nothing_right_is_an_error() -> None:
    class Broken(Imagined):
        def outcome(self, scheduled: object, best: float | None = None) -> object:  # type: ignore[override]
            from xpiler_tvm.tuning.bench import Outcome

            return Outcome(None, "measured", "refuted: all wrong")

    with pytest.raises(ScheduleError, match="all wrong") as caught:
        tune(product(), "vnni", trials=3, bench=lambda *_: Broken())  # type: ignore[arg-type, return-value]
    assert caught.value.code == "XP3001"


def test_a_second_run_of_a_kernel_needs_no_tvm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kernel that was tuned answers from its records: nothing is lifted."""
    file, folder = tmp_path / "scale.cu", tmp_path / "db"
    file.write_text(SOURCE)
    command = ["tune", str(file), "--to", "bang", "--trials", "3", "--work-dir", str(folder)]
    assert main([*command, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["kind"] == "modelled" and first["trials"] <= 3
    if first["trials"] == 3:
        kernel = Kernel.from_file(file)
        found = tune(kernel, "bang", trials=3, db=folder, bench=lambda *_: sys.exit(1))
        assert found.seconds == first["seconds"]
    assert main(["db", "best", str(folder), "--json"]) == 0
    (best,) = json.loads(capsys.readouterr().out)
    assert best["seconds"] == first["seconds"] and best["label"].endswith("scale")
    assert main(["db", "merge", str(tmp_path / "all"), str(folder)]) == 0
    assert main(["db", "list", str(tmp_path / "all")]) == 0
    assert "modelled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--to", "vnni", "--resume"], "XP1014"),
        (["--to", "vnni,bang"], "XP1012"),
        (["--to", "vnni", "--trials", "0"], "XP1014"),
    ],
)
def test_wrong_usage(
    words: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scale.cu"
    file.write_text(SOURCE)
    assert main(["tune", str(file), *words, "--work-dir", str(tmp_path / "no")]) == 11
    assert code in capsys.readouterr().err
