"""The process that `opencl.run` starts: a job on standard input, arrays in files."""

from __future__ import annotations

import json
import sys

import numpy as np

from .opencl import NO_PLATFORM


def main() -> int:
    import pyopencl as cl

    job = json.load(sys.stdin)
    try:
        devices = [device for one in cl.get_platforms() for device in one.get_devices()]
    except cl.Error:
        devices = []
    if not devices:
        return NO_PLATFORM
    context = cl.Context(devices[:1])
    queue = cl.CommandQueue(context)
    program = cl.Program(context, job["text"]).build()
    with np.load(sys.argv[1]) as given:
        arrays = {name: np.ascontiguousarray(given[name]) for name in given.files}
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    buffers = {name: cl.Buffer(context, flags, hostbuf=array) for name, array in arrays.items()}
    arguments = [
        buffers[one["array"]] if "array" in one else np.dtype(one["dtype"]).type(one["value"])
        for one in job["order"]
    ]
    sizes = [groups * items for groups, items in zip(job["groups"], job["items"], strict=True)]
    getattr(program, job["entry"])(queue, sizes, job["items"], *arguments)
    for name, array in arrays.items():
        cl.enqueue_copy(queue, array, buffers[name])
    queue.finish()
    np.savez(sys.argv[2], *(arrays[f"arr_{number}"] for number in range(len(arrays))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
