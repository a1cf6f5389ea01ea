"""BANG C's launches: a job's cores are the threads of a block, jobs are the blocks of the grid."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang import CORES_PER_CLUSTER, MPU_CORE_ID
from xpiler_tvm.dialects.bang_jobs import Job, job
from xpiler_tvm.kernel import Kernel, Launch
from xpiler_tvm.tir import Expr, Var

from ..arithmetic import Arithmetic
from ..values import Number


@dataclass(frozen=True, eq=False)
class Cores:
    """The variables of a job's `core` in a cluster, its `cluster` and the job's three indices.

    Where the memory core takes part it is the last of a cluster.
    """

    job: Job
    core: Var
    cluster: Var
    jobs: tuple[Var, Var, Var]

    @property
    def with_memory_core(self) -> bool:
        return self.job.lanes > CORES_PER_CLUSTER

    @property
    def on_memory_core(self) -> Expr:
        if not self.with_memory_core:
            return tir.const(False, "bool")
        return tirx.GE(self.core, tir.const(CORES_PER_CLUSTER, "int32"))

    def tells_kinds(self, test: Expr) -> bool:
        """Whether a condition holds on all memory cores and on no other, or the reverse."""
        if not self.with_memory_core or tir.has_load(test):
            return False
        simple = tir.analyzer_for({}).simplify
        found = [
            tir.as_const(simple(tir.substitute(test, {self.core: tir.const(lane, "int32")})))
            for lane in range(CORES_PER_CLUSTER + 1)
        ]
        *others, memory_core = found
        return None not in found and len(set(others)) == 1 and others[0] != memory_core


def cores_of(kernel: Kernel) -> Cores:
    """The cores of the kernel's launch."""
    made = job(kernel.launch or Launch(), kernel.source)
    names = ("core", "cluster", "job", "jobY", "jobZ")
    core, cluster, *jobs = (tirx.Var(name, "int32") for name in names)
    return Cores(made, core, cluster, (jobs[0], jobs[1], jobs[2]))


def names_of(cores: Cores, math: Arithmetic) -> dict[str, Number]:
    """BANG C's ids and dimensions. Its own ids the memory core shares with the first core."""
    job, zero = cores.job, tir.const(0, "int32")
    x, y, z = (
        var if extent > 1 else zero for var, extent in zip(cores.jobs, job.grid, strict=True)
    )
    core = cores.core if job.lanes > 1 else zero
    cluster = cores.cluster if job.clusters > 1 else zero
    lane = core
    if cores.with_memory_core:
        lane = tirx.Select(cores.on_memory_core, zero, core)
        core = tirx.Select(cores.on_memory_core, tir.const(MPU_CORE_ID, "int32"), core)
    dims = [job.grid[0], job.grid[1], job.grid[2]]
    if job.clusters:
        dims[0] *= job.clusters * CORES_PER_CLUSTER
        x = (x * job.clusters + cluster) * CORES_PER_CLUSTER + lane
    else:  # not documented: its tasks are put on cores in order
        cluster, core = tirx.floordiv(x, CORES_PER_CLUSTER), tirx.floormod(x, CORES_PER_CLUSTER)
    values: dict[str, Expr | int] = {
        "taskIdX": x,
        "taskIdY": y,
        "taskIdZ": z,
        "taskId": (z * dims[1] + y) * dims[0] + x,
        "taskDimX": dims[0],
        "taskDimY": dims[1],
        "taskDimZ": dims[2],
        "taskDim": dims[0] * dims[1] * dims[2],
        "clusterId": cluster,
        "clusterDim": job.clusters,
        "coreId": core,
        "coreDim": CORES_PER_CLUSTER,
    }
    return {
        name: math.number(value, "int32")
        if isinstance(value, int)
        else Number(math.simplify(value), "int32")
        for name, value in values.items()
    }
