"""What `vnni_speed.py` measures: operators in plain C, and the same through CPU libraries.

Importing it holds all of these to one thread, and oneDNN to the target's instructions: libraries
read the variables when they are loaded.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
