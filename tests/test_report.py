"""The report in its three forms."""

from __future__ import annotations

import io
import json
import math

from xpiler_tvm import report
from xpiler_tvm.evidence import Check

CHECKS = (
    Check("source == flat", "tested", "64 elements", worst=0.25, seconds=0.5),
    Check("raised == flat", "refuted", "first at [3]:\n1 is not 2", worst=math.inf),
    Check("[in bounds]", "proved"),
)
SECTION = report.Section("k.cu -> hip", CHECKS, {"read": 0.25, "lift": 1.0})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_text_is_aligned() -> None:
    lines = report.text([SECTION]).splitlines()
    assert lines[0] == "k.cu -> hip"
    header = lines[2]
    start = header.index("verdict")
    assert [line[start:].split()[0] for line in lines[3:6]] == ["tested", "refuted", "proved"]
    end = header.index("error/bound") + len("error/bound")
    assert [line[:end].split()[-1] for line in lines[3:5]] == ["0.25", "inf"]
    assert "first at [3]: 1 is not 2" in lines[4]
    assert lines[6] == "CPU seconds: read 0.25, lift 1.00; together 1.25"
    assert all(line == line.rstrip() for line in lines)


def test_remarks_follow_the_checks() -> None:
    found = {
        "rung": "blocks",
        "rule": "gpu.rows",
        "notes": ["half of y"],
        "assumptions": ["n is 4"],
    }
    remarks = report.remarks(found)
    assert remarks == (
        "form: blocks, scheduled by gpu.rows",
        "note: half of y",
        "assumes: n is 4",
    )
    section = report.Section("k.cu", CHECKS[2:], {}, remarks)
    assert report.text([section]).splitlines()[-3:] == list(remarks)
    stream = Terminal()
    report.show([section], stream)
    assert "assumes: n is 4" in stream.getvalue()
    assert report.remarks({"rung": "opaque"}) == ("form: opaque",)


def test_no_escape_codes_in_a_pipe() -> None:
    stream = io.StringIO()
    report.show([SECTION], stream)
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue() == report.text([SECTION])


def test_table_on_a_terminal() -> None:
    stream = Terminal()
    report.show([SECTION], stream)
    for check in CHECKS:
        assert check.name.split()[0] in stream.getvalue()
    assert "refuted" in stream.getvalue()


def test_json_form_is_json() -> None:
    found = report.as_dict(CHECKS, SECTION.seconds)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [check["verdict"] for check in found["evidence"]] == ["tested", "refuted", "proved"]
    assert found["evidence"][0]["worst"] == 0.25
    assert found["evidence"][1]["worst"] is None
    assert found["seconds"] == {"read": 0.25, "lift": 1.0}


def test_empty_section() -> None:
    assert report.text([report.Section("nothing")]) == "nothing\n-------\n"
