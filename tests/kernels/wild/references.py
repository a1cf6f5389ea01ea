"""What each wild kernel computes, in numpy: a function by the name of its file.

A function takes the kernel's shape and its inputs, flat and in the kernel's types, and returns the
outputs in float64 or int64. Where not every input makes sense, `ADJUST` has a function of the same
name that changes the drawn ones in place.
"""

from .arrays import ADJUST
from .elements import *  # noqa: F403
from .places import *  # noqa: F403
from .products import *  # noqa: F403
from .rows import *  # noqa: F403

__all__ = ["ADJUST"]
