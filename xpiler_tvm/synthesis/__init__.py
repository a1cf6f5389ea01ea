"""Wrong kernels: where they go wrong, and what of their text makes them right.

done = repair(broken, like=source)
if done.ok:
    print(done.diff)
"""

from .localising import Localisation, localise
from .repairing import Edit, Repair, repair
from .specification import Specification

__all__ = ["Edit", "Localisation", "Repair", "Specification", "localise", "repair"]
