"""What `vnni_speed.py` measures: operators in plain C, and the same through CPU libraries.

Importing it holds all of these to one thread and to the target's instructions, AVX512-VNNI:
libraries read the variables when they are loaded, and ask for AMX then.
"""

import os

from .without_amx import refuse_amx

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS"):
    os.environ[_variable] = "1"
if os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI") == "AVX512_CORE_VNNI":
    refuse_amx()
