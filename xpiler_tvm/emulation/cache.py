"""What the emulator made once and keeps: files by the hash of what they were made of.

The folder may be deleted at any time and may serve several processes at once. An entry appears
complete or not at all: it is made in a folder of its own and renamed into place. What was not used
for longest goes first when the folder grows beyond its limit.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from xpiler_tvm.errors import SetupError

DEFAULT_SIZE = 1 << 30
# Whoever was given an entry has it open by then; younger ones stay whatever the limit says.
GRACE_SECONDS = 600
# No build takes that long: what is older was left behind by a process that was killed.
LEFT_BEHIND_SECONDS = 3600
SWEEP_SECONDS = 60
_TEMPORARY = ".build-"
_SWEPT = ".swept"
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)


def cache_folder() -> Path:
    """Where results are kept: `XPILER_CACHE_DIR`, else the user's cache folder."""
    chosen = os.environ.get("XPILER_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xpiler_tvm"


def size_limit() -> int:
    """Bytes that the emulator's entries may take: `XPILER_CACHE_SIZE`, such as 500M or 2GiB.

    Suffixes are powers of 1024. Raises `SetupError` XP6004 where it is no size.
    """
    given = os.environ.get("XPILER_CACHE_SIZE", "").strip()
    if not given:
        return DEFAULT_SIZE
    found = _SIZE.fullmatch(given)
    if not found:
        raise SetupError(
            "XP6004",
            f"XPILER_CACHE_SIZE is {given!r}, which is no size",
            hint="give bytes, or a number with K, M, G or T: XPILER_CACHE_SIZE=500M",
        )
    return int(float(found["number"]) * 1024 ** " kmgt".index(found["unit"].lower() or " "))


def digest(parts: Iterable[bytes]) -> str:
    """A name for what these parts make; where one ends and the next begins counts."""
    key = hashlib.sha256()
    for part in parts:
        key.update(len(part).to_bytes(8, "little") + part)
    return key.hexdigest()[:40]


def entry(name: str, make: Callable[[Path], Path]) -> Path:
    """The entry `name`; where there is none, what `make` leaves at the path it returns.

    `make` is given an empty folder, which is removed afterwards. What it raises is raised here and
    leaves no entry. Raises `SetupError` XP6004 where the cache cannot be written.
    """
    target = cache_folder() / "emulation" / name
    if used(target):
        return target
    with build_folder(target) as folder:
        os.replace(make(Path(folder)), target)
    if _due(target, size_limit()):
        prune(target.parent, size_limit())
    return target


def _due(made: Path, limit: int) -> bool:
    """Whether to look through the folder: after a large entry, else once in a while.

    Looking through thousands of entries costs as much as compiling a kernel.
    """
    stamp = made.parent / _SWEPT
    with suppress(OSError):
        if (
            made.stat().st_size < limit // 256
            and time.time() - stamp.stat().st_mtime < SWEEP_SECONDS
        ):
            return False
    with suppress(OSError):
        stamp.touch()
    return True


def used(path: Path) -> bool:
    """Whether there is such an entry; if so it counts as used now."""
    try:
        os.utime(path)
    except PermissionError:
        return path.exists()
    except OSError:
        return False
    return True


def build_folder(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the cache entry `target`, from where it is renamed into place.

    Raises `SetupError` XP6004 where the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=target.parent, prefix=_TEMPORARY)
    except OSError as error:
        raise SetupError(
            "XP6004",
            f"the cache {target.parent} cannot be written: {error.strerror}",
            hint="set XPILER_CACHE_DIR to a folder of yours",
        ) from None


def prune(folder: Path, limit: int) -> None:
    """Removes what was not used for longest until `folder` holds at most `limit` bytes.

    An entry that another process removes meanwhile is as good as removed here; a library that
    some process has loaded lives on without its name.
    """
    now, total = time.time(), 0
    found: list[tuple[float, int, str]] = []
    with suppress(OSError), os.scandir(folder) as items:
        for item in items:
            with suppress(OSError):
                about = item.stat(follow_symlinks=False)
                if item.name.startswith(_TEMPORARY):
                    if now - about.st_mtime > LEFT_BEHIND_SECONDS:
                        shutil.rmtree(item.path, ignore_errors=True)
                elif item.name != _SWEPT and item.is_file(follow_symlinks=False):
                    total += about.st_size
                    found.append((about.st_mtime, about.st_size, item.path))
    for last_used, size, path in sorted(found):
        if total <= limit or now - last_used < GRACE_SECONDS:
            return
        with suppress(OSError):
            os.unlink(path)
        total -= size
