"""The process in which `gpu.run` calls a library: a job on standard input, an answer on output."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import sys
from typing import Any


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Call `job["function"]` of `job["library"]` on the arrays in the file `job["data"]`.

    Each of `arguments` is an array's `offset` in the file, or a `type` of ctypes and a `value`.
    `repeats` launches are timed; `least` are the milliseconds of the fastest.
    """
    library = ctypes.CDLL(job["library"])
    function = getattr(library, job["function"])
    function.restype = ctypes.c_char_p
    with open(job["data"], "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    launched, least = ctypes.c_int(0), ctypes.c_float(0)
    arguments: list[Any] = [ctypes.byref(launched), int(job["repeats"]), ctypes.byref(least)]
    for argument in job["arguments"]:
        if "offset" in argument:
            arguments.append(ctypes.c_void_p(base + argument["offset"]))
        else:
            arguments.append(getattr(ctypes, argument["type"])(argument["value"]))
    said = function(*arguments)
    return {
        "error": said.decode(errors="replace") if said else "",
        "launched": launched.value,
        "least": least.value,
    }


def main() -> None:
    # No limit on addresses: drivers reserve far more than they use.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What libraries print must not get into the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        answer = work(json.load(sys.stdin))
    except (OSError, AttributeError) as error:
        answer = {"error": str(error), "launched": 0, "least": 0.0}
    json.dump(answer, answers)
    answers.flush()
    # A driver that fails while it shuts down would spoil a run that went well.
    os._exit(0)


if __name__ == "__main__":
    main()
