"""Whole libraries of kernels: many translations, over processes or machines, that can be resumed.

job.py      one kernel for several targets, in a process with limits: always a result
many.py     transcompile_many(): jobs through any executor, a bounded number at a time
ledger.py   results in SQLite by the content of kernels: what is there is not done again
sources.py  the kernels of a folder
report.py   a page about a ledger
"""

from __future__ import annotations

from .job import Result
from .ledger import Ledger
from .many import Batch, transcompile_many

__all__ = ["Batch", "Ledger", "Result", "transcompile_many"]
