"""Results in an SQLite file, by the content of kernels and the target."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from xpiler_tvm.errors import SetupError

from .job import Result

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    kernel TEXT, target TEXT, name TEXT, status TEXT, code TEXT, message TEXT, rung TEXT, rule TEXT,
    checks TEXT, worst REAL, seconds REAL, peak INTEGER, times INTEGER DEFAULT 1,
    PRIMARY KEY (kernel, target)
);
CREATE TABLE IF NOT EXISTS files (
    kernel TEXT, target TEXT, suffix TEXT, data BLOB, PRIMARY KEY (kernel, target, suffix)
);
"""
_COLUMNS = "kernel, target, name, status, code, message, rung, rule, checks, worst, seconds, peak"


class Ledger:
    """What has been done. Each result is there for good once `add` returns.

    A result without an answer (`crashed`) is tried again by the next run; `times` counts. Raises
    `SetupError` XP6004 where the file cannot be written or is no ledger.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.path = str(path)
        try:
            if self.path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.path)
            # Safe where the process is killed, and much quicker than a sync for each result.
            self._base.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            self._base.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SetupError("XP6004", f"{path} cannot be written to: {error}") from None

    def has(self, kernel: str, target: str) -> bool:
        """Whether there is an answer."""
        row = self._base.execute(
            "SELECT 1 FROM results WHERE kernel = ? AND target = ? AND status != 'crashed'",
            (kernel, target),
        ).fetchone()
        return row is not None

    def add(self, results: Iterable[Result]) -> None:
        """Keeps results and their files, all or none of them."""
        with self._base:
            for one in results:
                values = (
                    one.kernel, one.target, one.name, one.status, one.code, one.message, one.rung,
                    one.rule, json.dumps(one.checks, sort_keys=True), one.worst, one.seconds,
                    one.peak,
                )  # fmt: skip
                self._base.execute(
                    f"INSERT INTO results ({_COLUMNS}) VALUES ({', '.join('?' * len(values))}) "
                    "ON CONFLICT (kernel, target) DO UPDATE SET times = times + 1, "
                    + ", ".join(f"{each} = excluded.{each}" for each in _UPDATED),
                    values,
                )
                for suffix, data in one.files.items():
                    self._base.execute(
                        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                        (one.kernel, one.target, suffix, data),
                    )

    def __iter__(self) -> Iterator[Result]:
        """The results without their files, by name and target."""
        rows = self._base.execute(f"SELECT {_COLUMNS} FROM results ORDER BY name, target, kernel")
        for row in rows:
            values = dict(zip(_COLUMNS.split(", "), row, strict=True))
            yield Result(**{**values, "checks": json.loads(values["checks"])})

    def __len__(self) -> int:
        return int(self._base.execute("SELECT COUNT(*) FROM results").fetchone()[0])

    def files_of(self, result: Result) -> dict[str, bytes]:
        """What was emitted, by suffix."""
        rows = self._base.execute(
            "SELECT suffix, data FROM files WHERE kernel = ? AND target = ? ORDER BY suffix",
            (result.kernel, result.target),
        )
        return dict(rows.fetchall())

    def repeated(self) -> int:
        """How many results were stored more than once."""
        row = self._base.execute("SELECT COUNT(*) FROM results WHERE times > 1").fetchone()
        return int(row[0])

    def close(self) -> None:
        self._base.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()


_UPDATED = (
    "name", "status", "code", "message", "rung", "rule", "checks", "worst", "seconds", "peak",
)  # fmt: skip
