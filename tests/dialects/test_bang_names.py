"""Every documented function of BANG C is defined, or refused with its reason."""

from __future__ import annotations

import re

import pytest

from xpiler_tvm.dialects.bang import ARCHS, KINDS
from xpiler_tvm.dialects.bang_names import DOCUMENTED, IN_HEADER, UNSUPPORTED, supported
from xpiler_tvm.emulation.bang_operations import operations
from xpiler_tvm.emulation.compiler import HERE

NAMES = [name for names in DOCUMENTED.values() for name in names]


def test_no_name_is_missing_and_none_is_there_twice() -> None:
    assert len(NAMES) == len(set(NAMES))
    for name in NAMES:
        assert (name in supported()) != (name in UNSUPPORTED), name


def test_every_name_of_a_table_is_documented() -> None:
    casts = {name.replace("__bang_", "__") for name in DOCUMENTED["conversion"]}
    assert supported() <= {*NAMES, *casts}


@pytest.mark.parametrize("subject", DOCUMENTED)
def test_every_supported_name_is_defined(subject: str) -> None:
    headers = "".join(path.read_text() for path in HERE.glob("bang*.h"))
    for name in DOCUMENTED[subject]:
        text = headers if name in IN_HEADER else operations(name, "mtp_592")
        found = re.search(rf"\b{name}\b", text)
        assert found, name
        assert (UNSUPPORTED.get(name, "") in text) or name not in UNSUPPORTED


def test_unsupported_names_have_a_reason() -> None:
    assert set(UNSUPPORTED) <= set(NAMES)
    assert all(UNSUPPORTED.values())


def test_devices_and_jobs_fit() -> None:
    for arch in ARCHS.values():
        assert arch.nram_usable < arch.nram
        assert arch.lane_stride * 64 == arch.wram
    for kind in KINDS.values():
        assert kind.multiple == max(1, 4 * kind.clusters)
