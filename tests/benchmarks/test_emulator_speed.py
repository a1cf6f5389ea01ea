"""The benchmark of the emulator measures what it says; the numbers themselves are no test's."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from xpiler_tvm.emulation import run_text

from .support import FOLDER, script

speed = script("emulator_speed")
SMALL = speed.Size(elements=1 << 13, seconds=0.001, repeat=1)


@pytest.mark.parametrize("name", speed._LOOPS)
def test_plain_code_and_kernel_compute_the_same(name: str) -> None:
    loop = speed._LOOPS[name]
    arrays = speed.inputs(loop, SMALL.elements)
    wanted, seconds = speed.plain_run(loop, arrays, SMALL)
    found, _ = speed.emulated_run(loop, arrays, SMALL)
    assert found.tobytes() == wanted.tobytes()
    assert seconds > 0
    assert len(np.unique(wanted)) > 500, "an output that hardly depends on the input tells nothing"


@pytest.mark.parametrize("name", speed._WAITS)
def test_threads_wait_as_often_as_is_counted(name: str) -> None:
    y = run_text(speed.waiting_kernel(speed._WAITS[name], 64, 7), {}).arrays["y"]
    if name == "__syncthreads_or":
        assert (y == 7).all(), "in each of the seven rounds one thread is its own"
    elif name == "__shfl_xor_sync":
        np.testing.assert_array_equal(y, 7 * (np.arange(64) ^ 1))


@pytest.mark.parametrize("section", ["barriers", "bang"])
def test_a_section_has_its_rows(section: str) -> None:
    first, *rows = speed.measure([section], SMALL)
    assert first.section == "fixed job" and first.value > 0
    assert {row.section for row in rows} == {section}
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) >= 9
    assert all(row.unit in str(row) for row in rows)


def test_goals_have_a_direction() -> None:
    row = speed.Row("run", "axpy", 4.0, "times plain C++", {}, goal=3.0)
    assert not row.met and "MISSES 3" in str(row)
    assert speed.Row("barriers", "b", 4.0, "M/s", {}, goal=3.0, least=True).met
    assert speed.Row("checked", "c", 400.0, "times", {}).met


def test_a_measurement_is_the_difference_of_two() -> None:
    asked: list[int] = []

    def run(rounds: int) -> float:
        asked.append(rounds)
        return 5.0 + 0.25 * rounds

    assert speed.Size(seconds=6.0).each(run) == pytest.approx(0.25)
    assert set(asked) == {1, 2, 4, 8, 16, 32}, "twice as long as one round at least"


def test_a_clock_that_ticks_does_no_harm() -> None:
    def run(rounds: int) -> float:
        return 0.004 * (rounds // 100)

    assert speed.Size(seconds=0.001).each(run) > 0


def test_the_command_prints_json() -> None:
    command = [sys.executable, str(FOLDER / "emulator_speed.py")]
    small = ["run", "--json", "--elements", "8192", "--repeat", "1", "--seconds", "0.001"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert {row["section"] for row in rows} == {"fixed job", "run"}
    assert all(isinstance(row["met"], bool) for row in rows)
    refused = subprocess.run([*command, "sprint"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "no section named sprint" in refused.stderr
