"""Arrays that a kernel may touch and nothing else: shared memory between unreadable pages.

An array's last byte is the last one before an unreadable page, so that reading or writing element
n faults. What lies between the page's start and the first byte holds a pattern that is checked
after the run: a write before element 0 changes it.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
from dataclasses import dataclass, field

import numpy as np

from xpiler_tvm.errors import CheckError

# Wide, so that a fault far outside still tells its array; it costs addresses, not memory.
GUARD_BYTES = 8 << 20
_PROT_NONE = 0


def numpy_dtype(name: str) -> np.dtype:
    """The numpy type of a dtype name of `xpiler_tvm.kernel.DTYPES`."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def is_float(dtype: np.dtype) -> bool:
    """Whether a NaN exists. ml_dtypes' types are of kind 'V' to numpy."""
    return dtype.kind in "fV"


# A quiet NaN with a payload that arithmetic does not make by itself, by size in bytes.
_NAN_BITS = {2: 0x7FE5, 4: 0x7FE5A5A5, 8: 0x7FFCA5A5A5A5A5A5}


def _sentinel(dtype: np.dtype) -> np.ndarray:
    unsigned = np.dtype(f"u{dtype.itemsize}")
    if not is_float(dtype):
        return np.full(1, 0xA5A5A5A5A5A5A5A5 >> (64 - 8 * dtype.itemsize), unsigned)
    if dtype.name == "float16":
        return np.full(1, 0x7FA5 | 0x200, unsigned)
    return np.full(1, _NAN_BITS[dtype.itemsize], unsigned)


def unwritten_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that no kernel has written: a marked NaN everywhere, 0xA5 bytes for integers."""
    array = np.empty(shape, dtype)
    array.view(f"u{dtype.itemsize}")[...] = _sentinel(dtype)[0]
    return array


def is_unwritten(array: np.ndarray) -> np.ndarray:
    """A mask of the elements that still hold what `unwritten_array` put there, bit for bit.

    An 8-bit integer can hold the sentinel by right; callers judge masks, not single elements.
    """
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}") == _sentinel(array.dtype)[0]


# The bytes beside an array: as a number of any type they are no likely one (-6e29 to -1e38, -2 to
# -15), and those of arrays of one run differ, so that a copy from beside one to beside another
# shows.
_PATTERNS = itertools.cycle(range(0xF1, 0xFF))

_libc = ctypes.CDLL(None, use_errno=True)


def _protect(address: int, size: int) -> None:
    if _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), _PROT_NONE) != 0:
        raise OSError(ctypes.get_errno(), "mprotect failed")


@dataclass
class Guarded:
    """A copy of one array in memory shared with a worker.

    `alignment` is what the first element's address must be a multiple of; where it forces bytes
    between the last element and the guard, these hold the pattern too. `unwritten` says that the
    array has no values yet.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    alignment: int = 1
    unwritten: bool = False
    address: int = field(init=False)
    array: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        page = mmap.PAGESIZE
        size = max(1, int(np.prod(self.shape, dtype=np.int64))) * self.dtype.itemsize
        self._room = -(-size // page) * page
        self._memory = mmap.mmap(-1, self._room + 2 * GUARD_BYTES)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        _protect(self._base, GUARD_BYTES)
        _protect(self._base + GUARD_BYTES + self._room, GUARD_BYTES)
        self._data = np.frombuffer(self._memory, np.uint8, count=self._room, offset=GUARD_BYTES)
        self._pattern = next(_PATTERNS)
        self._data[:] = self._pattern
        self._start = (self._room - size) // self.alignment * self.alignment
        self._size = size
        self.address = self._base + GUARD_BYTES + self._start
        count = size // self.dtype.itemsize
        self.array = (
            self._data[self._start : self._start + size]
            .view(self.dtype)[:count]
            .reshape(self.shape)
        )

    @property
    def extent(self) -> tuple[int, int]:
        """Its first address and the one past its last, the unreadable pages included."""
        return self._base, self._base + self._room + 2 * GUARD_BYTES

    def holds(self, address: int) -> bool:
        """Whether `address` lies in this array or in the unreadable pages around it."""
        first, last = self.extent
        return first <= address < last

    def describe(self, address: int) -> str:
        """Where a faulting address lies, in elements of this array."""
        element = (address - self.address) // self.dtype.itemsize
        return f"element {element} of {self.name!r}, which has {self._size // self.dtype.itemsize}"

    def check(self) -> None:
        """Raises `CheckError` XP5002 where the bytes beside the array were written."""
        before = self._data[: self._start]
        after = self._data[self._start + self._size :]
        for side, place in ((before, "before the start"), (after, "behind the end")):
            if not (side == self._pattern).all():
                raise CheckError("XP5002", f"the kernel wrote {place} of {self.name!r}")
