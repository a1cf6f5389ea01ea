"""What `import xpiler_tvm` loads: nothing that takes time."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAVY = {
    "clang", "ml_dtypes", "numpy", "openai", "pydantic", "rich", "scipy", "tvm", "tvm_ffi",
    "xgboost", "z3",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running `code`."""
    script = (
        f"{textwrap.dedent(code)}\nimport sys\nprint(*{{n.split('.')[0] for n in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import xpiler_tvm",
        "import xpiler_tvm as xt; xt.Kernel('', 'cuda'), xt.Launch((1,), (1,)), xt.Tensor('x')",
        "import xpiler_tvm.cli, xpiler_tvm.report, xpiler_tvm.gpu, xpiler_tvm.processor",
        "import xpiler_tvm.targets; xpiler_tvm.targets.get('hip')",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not loaded_by(code) & HEAVY


def test_few_modules_of_ours_are_loaded() -> None:
    script = "import xpiler_tvm, sys; print(*(n for n in sys.modules if n.startswith('xpiler')))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {
        "xpiler_tvm",
        *(f"xpiler_tvm.{name}" for name in ("errors", "evidence", "extents", "kernel", "pins")),
    }


def test_every_name_can_be_had() -> None:
    import xpiler_tvm

    for name in xpiler_tvm.__all__:
        assert getattr(xpiler_tvm, name) is not None
    assert sorted(xpiler_tvm.__all__) == dir(xpiler_tvm)
    with pytest.raises(AttributeError):
        xpiler_tvm.nothing  # noqa: B018


def test_packages_that_do_not_fit_end_the_import_with_a_sentence() -> None:
    script = """
    from importlib import metadata
    real = metadata.version
    metadata.version = lambda name: "0.1.15" if name == "apache-tvm-ffi" else real(name)
    try:
        import xpiler_tvm
    except Exception as error:
        assert error.code == "XP6001", error
        assert "apache-tvm-ffi is 0.1.15" in str(error) and "pip install" in str(error)
    else:
        raise SystemExit("it was imported")
    """
    assert "tvm" not in loaded_by(script)
