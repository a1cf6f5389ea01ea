"""How a kernel's tasks are put on cores: the kind of its jobs, and how it tells where it is.

| the schedule binds | a job | `blockIdx.x` is | `threadIdx.x` is |
|---|---|---|---|
| `blockIdx.x` | a core; a cluster where tasks fill all | the task | |
| `threadIdx.x` of a cluster's cores, too | one, two or four clusters | the cluster | the core |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xpiler_tvm.codegen.lower import DeviceFunction
from xpiler_tvm.dialects.bang import CORES_PER_CLUSTER, KINDS, Arch, TaskKind
from xpiler_tvm.errors import EmitError


@dataclass(frozen=True)
class Job:
    """A launch of `tasks` in x, y and z of a `kind`; `indices` says what thread axes are in C.

    `clusters` counts the clusters that have work at a time.
    """

    kind: TaskKind
    tasks: tuple[int, int, int]
    clusters: int
    indices: Mapping[str, str]

    @property
    def count(self) -> int:
        x, y, z = self.tasks
        return x * y * z


def job_of(function: DeviceFunction, arch: Arch) -> Job:
    """The job of a kernel. Raises `EmitError` XP4001 where threads are no cores of a cluster."""
    work, (cores, *_) = function.grid[0], function.block
    if "threadIdx.x" not in function.axes:
        # Whole clusters where tasks fill them all. Fewer tasks go to free cores of any cluster, so
        # that each has more of what its cluster draws from memory off the chip.
        whole = work % CORES_PER_CLUSTER == 0 and work >= arch.cores
        kind = KINDS["union1" if whole else "block"]
        return Job(kind, (work, 1, 1), min(work, arch.clusters), {"blockIdx.x": "taskId"})
    if cores != CORES_PER_CLUSTER:
        raise EmitError(
            "XP4001",
            f"BANG C: threadIdx.x has the extent {cores}, but a cluster has {CORES_PER_CLUSTER} "
            "cores",
        )
    # Jobs start when all of their clusters are free: one of four is one start instead of four, and
    # leaves none idle where it divides both the work and the device.
    kind = next(
        KINDS[name]
        for name in ("union4", "union2", "union1")
        if work % KINDS[name].clusters == 0 and arch.clusters % KINDS[name].clusters == 0
    )
    jobs = work // kind.clusters
    # The memory core has no task of its own to tell its cluster by, but the job's index in y.
    place = "clusterId" if jobs == 1 else f"taskIdY * {kind.clusters} + clusterId"
    cluster = "taskIdY" if kind.clusters == 1 else place
    return Job(
        kind,
        (kind.multiple, jobs, 1),
        min(work, arch.clusters),
        {"blockIdx.x": cluster, "threadIdx.x": "coreId"},
    )
