"""Versions that do not fit are a sentence, not a crash."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from xpiler_tvm import pins
from xpiler_tvm.errors import SetupError


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let metadata report these versions; what is not named is not installed."""

    def version(name: str) -> str:
        key = name.replace("-", "_")
        if key not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[key]

    monkeypatch.setattr(metadata, "version", version)


def test_what_is_installed_here_fits() -> None:
    pins.check()


@pytest.mark.parametrize("ffi", ["0.1.14.post1", "0.1.14.post0"])
def test_versions_that_fit(monkeypatch: pytest.MonkeyPatch, ffi: str) -> None:
    installed(monkeypatch, apache_tvm="0.27.0.post1", apache_tvm_ffi=ffi)
    assert pins.problems() == ()


def test_the_version_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, apache_tvm="0.27.0.post1", apache_tvm_ffi="0.1.15.post2")
    with pytest.raises(SetupError) as raised:
        pins.check()
    assert raised.value.code == "XP6001"
    assert "apache-tvm-ffi is 0.1.15.post2" in raised.value.message
    assert '-m pip install "apache-tvm==0.27.0.post1" "apache-tvm-ffi==0.1.14.post1"' in str(
        raised.value
    )


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    assert len(pins.problems()) == len(pins.PINS)


def test_the_check_does_not_import_tvm() -> None:
    script = (
        "import sys; from xpiler_tvm import pins; pins.check(); assert 'tvm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
