"""How a launch of BANG C is put on cores."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Launch

from .bang import CORES_PER_CLUSTER, KINDS


@dataclass(frozen=True)
class Job:
    """A launch as a grid of `grid` jobs, each a block of `cores` with `lanes` to a cluster.

    A block job is one core in no cluster: `clusters` is 0.
    """

    grid: tuple[int, int, int]
    cores: int
    lanes: int
    clusters: int


def job(launch: Launch, text: str) -> Job:
    """How `launch` runs. The memory core takes part where the text asks which core it is on.

    Raises `ReadError`: XP1011 where a union's tasks do not fill its clusters, XP1014 where there
    is no such kind.
    """
    kind = KINDS.get(launch.kind)
    if kind is None:
        raise ReadError(
            "XP1014", f"{launch.kind!r} is no kind of job", hint=f"one of {', '.join(KINDS)}"
        )
    x, y, z = (*launch.tasks, 1, 1, 1)[:3]
    if kind.clusters == 0:
        return Job((x, y, z), 1, 1, 0)
    if x % kind.multiple:
        raise ReadError(
            "XP1011",
            f"a {launch.kind} job takes a multiple of {kind.multiple} tasks in x, {x} were given",
        )
    knows_mpu = re.search(r"__is_[mi]pu|\b0[xX]80\b", text) is not None
    lanes = CORES_PER_CLUSTER + int(knows_mpu)
    return Job((x // kind.multiple, y, z), kind.clusters * lanes, lanes, kind.clusters)
