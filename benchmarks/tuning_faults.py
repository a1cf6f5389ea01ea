"""What searches do when something fails around them: nothing that was tried may be lost.

    python benchmarks/tuning_faults.py
    python benchmarks/tuning_faults.py --kills 3 --target bang --only kills,disk

    kills       a tuner is killed at random moments, again and again on one folder, and resumed
    disk        the disk has no more room in the middle of a search, and has room again
    together    two tuners write into one folder at the same time
    server      one of two RPC servers is killed while a search measures on both

Tuners are processes of their own that tell each trial when `tune` does. Held after each fault: what
was told is on record, what was on record still is, byte for byte, no line is broken, and the search
goes on with what is missing and tries nothing twice. Exits with 1 where any of it fails.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xpiler_tvm.errors import XpilerError
from xpiler_tvm.processor import missing_features
from xpiler_tvm.tuning.records import TRIALS, Database, Record

EXAMPLE = Path(__file__).parent.parent / "examples" / "gemm.cu"
TOLD, REFUSED, ENDED = "trial", "refused", "ended"


class Lost(Exception):
    """Something that must hold does not."""


# -- A tuner in a process of its own --------------------------------------------------------------


def child(given: argparse.Namespace) -> int:
    """Tune, and say each trial on standard output as soon as `tune` does."""
    from xpiler_tvm import Kernel
    from xpiler_tvm.tuning import tune

    if given.room:  # writes beyond fail, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.room, given.room))
    bench = None
    if given.tracker:
        from xpiler_tvm.tuning.remote import on_servers

        bench = on_servers(given.tracker, "faults", seconds=20.0)
    try:
        found = tune(
            Kernel.from_file(EXAMPLE),
            given.target,
            trials=given.trials,
            db=given.folder,
            seed=given.seed,
            bench=bench,
            progress=lambda now: print(TOLD, now.trials, flush=True),
        )
    except XpilerError as error:
        print(REFUSED, error.code, flush=True)
        return 1
    print(ENDED, found.trials, found.failures, found.seconds, found.rule_seconds, flush=True)
    return 0


@dataclass(eq=False)
class Tuner:
    """A running tuner, and the trials that it has told of: how many are known after each."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, target: str, trials: int, **more: object) -> Tuner:
        words = [f"--{name}={value}" for name, value in more.items()]
        command = [sys.executable, __file__, f"--child={folder}", f"--target={target}"]
        process = subprocess.Popen(
            [*command, f"--trials={trials}", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return cls(process)

    def lines(self) -> Iterator[list[str]]:
        """What it says, word by word, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.split()
        self.process.wait()

    def kill(self) -> int:
        """End it and all that it has started; the trials that it told of until then."""
        os.killpg(self.process.pid, signal.SIGKILL)
        told = [int(words[1]) for words in self.lines() if words[:1] == [TOLD] and len(words) > 1]
        return max(told, default=0)

    def result(self) -> list[str]:
        """Its last words."""
        *_, last = [[], *self.lines()]
        return last


# -- What must hold -------------------------------------------------------------------------------


@dataclass(eq=False)
class Watched:
    """A folder of records whose lines may become more and nothing else."""

    folder: Path
    seen: bytes = b""

    def trials(self) -> list[Record]:
        """The trials on record. Raises `Lost` where lines were lost, changed or broken."""
        path = self.folder / TRIALS
        now = path.read_bytes() if path.exists() else b""
        whole = now[: now.rfind(b"\n") + 1]  # what follows is half a line of a killed writer
        if not whole.startswith(self.seen):
            raise Lost("lines that were on record have changed")
        self.seen = whole
        database = Database(self.folder)
        found = [record for record in database.records() if not record.final]
        if database.skipped:
            raise Lost(f"{database.skipped} lines cannot be read")
        return found

    def once(self) -> list[Record]:
        """The same; no program was tried twice."""
        found = self.trials()
        if len({record.program for record in found}) != len(found):
            raise Lost("a program was tried twice")
        return found


def ended_well(words: Sequence[str], trials: int) -> str:
    """The figures of a search that came to its end with so many trials; raises `Lost`."""
    if words[:1] != [ENDED] or int(words[1]) != trials:
        raise Lost(f"the search said {' '.join(words) or 'nothing'}, not {ENDED} {trials}")
    seconds, rule = float(words[3]), float(words[4])
    if seconds > rule:
        raise Lost("the result is slower than the rules' own")
    return f"{words[2]} failed, {rule / seconds:.2f} of the rules' speed"


# -- Faults ---------------------------------------------------------------------------------------


def kills(folder: Path, given: argparse.Namespace) -> str:
    """Killed at a random moment behind its first trial, or before it."""
    generator, watched = random.Random(given.seed), Watched(folder)
    trials = given.trials
    for number in range(given.kills):
        before = len(watched.once())
        tuner = Tuner.start(folder, given.target, trials, seed=number)
        if number % 4:  # every fourth dies while it starts
            _wait_for(tuner)
        time.sleep(generator.uniform(0.0, 2.0))
        told = tuner.kill()
        after = len(watched.once())
        if after < max(told, before):
            raise Lost(f"{told} trials were told, {after} are on record")
        print(f"  kill {number + 1}: {before} -> {after} on record, {told} told", flush=True)
        if after >= trials:
            trials += given.trials  # there must be something left to do
    left = Tuner.start(folder, given.target, trials).result()
    figures = ended_well(left, trials)
    known = len(watched.once())
    return f"{given.kills} kills, {known} of {trials} trials on record once each; {figures}"


def _wait_for(tuner: Tuner) -> None:
    """Until the tuner has told of a trial. Raises `Lost` where it ends instead."""
    assert tuner.process.stdout is not None
    line = tuner.process.stdout.readline()
    if not line.startswith((TOLD, ENDED)):
        raise Lost(f"a tuner said {line.strip() or 'nothing'}")


def disk(folder: Path, given: argparse.Namespace) -> str:
    """Room for some lines only, then for all."""
    watched = Watched(folder)
    last = Tuner.start(folder, given.target, given.trials, room=2000).result()
    if last[:2] != [REFUSED, "XP6004"]:
        raise Lost(f"a full disk was told as {' '.join(last) or 'nothing'}")
    before = len(watched.once())
    if not before:
        raise Lost("nothing is on record although there was room")
    figures = ended_well(Tuner.start(folder, given.target, given.trials).result(), given.trials)
    known = len(watched.once())
    return f"XP6004 after {before} trials, {known} of {given.trials} after it; {figures}"


def together(folder: Path, given: argparse.Namespace) -> str:
    """Two at once: neither loses a line, and a third has nothing left to try."""
    watched = Watched(folder)
    both = [Tuner.start(folder, given.target, given.trials, seed=seed) for seed in (0, 1)]
    for tuner in both:
        ended_well(tuner.result(), given.trials)
    known = watched.trials()  # what both choose is tried by both
    if len(known) < given.trials:
        raise Lost(f"{len(known)} trials of two searches for {given.trials} are on record")
    before = time.monotonic()
    third = Tuner.start(folder, given.target, given.trials).result()
    if third[:1] != [ENDED] or len(watched.trials()) != len(known):
        raise Lost("what two tuners had tried was tried again")
    seconds = time.monotonic() - before
    return f"{len(known)} trials on record; a third search is answered in {seconds:.1f} s"


def server(folder: Path, given: argparse.Namespace) -> str:
    """One of two servers dies at a random moment; the other one goes on."""
    if missing_features("cascadelake"):
        return "left out: this processor has no AVX512-VNNI"
    generator, watched = random.Random(given.seed), Watched(folder)
    port = free_port()
    ends = ("--host", "127.0.0.1", "--port", str(port), "--port-end", str(port + 1))
    words = ("tvm.exec.rpc_server", "--tracker", f"127.0.0.1:{port}", "--key", "faults")
    tracker = f"127.0.0.1:{port}"
    with running("tvm.exec.rpc_tracker", *ends), running(*words) as first, running(*words):
        tuner = Tuner.start(folder, "vnni", given.trials, tracker=tracker)
        _wait_for(tuner)
        time.sleep(generator.uniform(0.0, 3.0))
        os.killpg(first.pid, signal.SIGKILL)
        figures = ended_well(tuner.result(), given.trials)
    lost = [record for record in watched.once() if "no server gave an answer" in record.why]
    return f"{given.trials} trials, {len(lost)} lost with the server; {figures}"


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module as a process, with all that it starts, for a while."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-m", *words], start_new_session=True, **quiet
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


FAULTS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "kills": kills,
    "disk": disk,
    "together": together,
    "server": server,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="vnni", help="what is tuned for (default: vnni)")
    parser.add_argument("--trials", type=int, default=24, help="of each search (default: 24)")
    parser.add_argument("--kills", type=int, default=20, help="how often (default: 20)")
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, by commas")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    # What a tuner is started with.
    parser.add_argument("--child", dest="folder", help=argparse.SUPPRESS)
    parser.add_argument("--tracker", help=argparse.SUPPRESS)
    parser.add_argument("--room", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        return child(given)
    failed = 0
    for name in given.only.split(","):
        with tempfile.TemporaryDirectory(prefix="xpiler-faults-") as folder:
            begun = time.monotonic()
            try:
                said = FAULTS[name](Path(folder), given)
            except Lost as error:
                said, failed = f"LOST: {error}", failed + 1
            print(f"{name}: {said} ({time.monotonic() - begun:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
