"""Bundles for a GPU, and what is made of their results: the GPU itself is a stand-in here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .support import script

gpu_bundle = script("gpu_bundle")
gpu_run = script("gpu_run")


class StandIn:
    """A device that needs a tenth of a second, PyTorch's version two tenths."""

    def __init__(self, error: float = 0.0, refuses: str = "") -> None:
        self.wrong, self.refuses = error, refuses
        self.launched = 0

    def compile(self, source: Path, kernel: Any) -> None:
        assert kernel["entry"] in source.read_text()
        if self.refuses:
            raise RuntimeError(self.refuses)

    def arrays(self, kernel: Any) -> dict[str, Any]:
        return {param["name"]: param["size"] for param in kernel["params"] if "size" in param}

    def launcher(self, source: Path, kernel: Any, arrays: Any) -> Callable[[], None]:
        def launch() -> None:
            self.launched += 1

        return launch

    def reference(self, kernel: Any, arrays: Any) -> Callable[[], Any] | None:
        return (lambda: 0) if kernel["operator"] in gpu_run.PYTORCH else None

    def seconds(self, run: Callable[[], object]) -> float:
        before = self.launched
        run()
        return 0.1 if self.launched > before else 0.2

    def error(self, result: Any, wanted: Any) -> float:
        return self.wrong

    def copy_bandwidth(self) -> float:
        return 1e9


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    count, misses = gpu_bundle.write(folder, gpu_bundle.cases({"gemm", "scatter"}))
    assert count == 3 and not misses
    return folder


def kernels(bundle: Path) -> Mapping[str, Any]:
    return json.loads((bundle / "manifest.json").read_text())["kernels"]


def test_a_bundle_has_all_that_is_needed(bundle: Path) -> None:
    assert {"gpu_run.py", "nvrtc.py", "manifest.json"} <= {path.name for path in bundle.iterdir()}
    large = kernels(bundle)["gemm_large"]
    assert large["rule"] == "gpu.tensor_cores" and large["shape"]["M"] == 4096
    assert "mma.sync.aligned" in (bundle / "gemm_large.cu").read_text()
    assert large["shared"] > 48 * 1024
    assert gpu_run.operations(large) == 2 * 4096**3
    assert gpu_run.moved_bytes(large) == 4096**2 * (2 + 2 + 4)


def test_what_runs_it_needs_neither_tvm_nor_the_package() -> None:
    text = Path(gpu_run.__file__).read_text()
    assert "import tvm" not in text and "xpiler_tvm" not in text


def test_a_table_of_times(bundle: Path) -> None:
    results = {
        name: gpu_run.measure(StandIn(1e-3), bundle, name, kernel)
        for name, kernel in kernels(bundle).items()
    }
    assert results["gemm_large"]["seconds"] == 0.1
    assert results["gemm_large"]["pytorch_seconds"] == 0.2
    scatter = next(one for one in results.values() if one["operator"] == "scatter")
    assert scatter["pytorch_seconds"] is None and scatter["error"] is None
    text = gpu_run.table(results, 1e9)
    assert "geometric mean of 2 ratios to PyTorch's time: 2.00" in text
    assert "1.0e-03" in text


def test_a_failure_is_a_line_and_not_the_end(bundle: Path) -> None:
    device = StandIn(refuses="kernel.cu(1): error: no")
    (name, kernel), *_ = kernels(bundle).items()
    result = gpu_run.measure(device, bundle, name, kernel)
    assert result["failed"] == "kernel.cu(1): error: no" and not device.launched
    assert "failed: kernel.cu(1): error: no" in gpu_run.table({name: result}, 1e9)
