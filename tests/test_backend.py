"""What `import tvm` finds of us, in a process that has nothing of ours loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENTRY = 'xpiler_tvm = "xpiler_tvm.backend:autoload"'
SCRIPT = """
import sys
import numpy as np
import tvm

from tvm.relax.pipeline import PIPELINE_MAP
assert "xpiler" in PIPELINE_MAP
assert tvm.get_global_func("s_tir.meta_schedule.cpu.xpiler") is not None
assert "xpiler_tvm.targets" not in sys.modules
mod = tvm.script.from_source('''
@T.prim_func(s_tir=True)
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    for i in range(64):
        with T.sblock("B"):
            v = T.axis.spatial(64, i)
            B[v] = A[v] + 1.0
''')
library = tvm.compile(tvm.IRModule({"main": mod}), target=tvm.target.Target("xpiler/bang"))
a, b = np.arange(64, dtype="float32"), np.zeros(64, "float32")
library["main"](a, b)
assert (b == a + 1).all()
print(library.mod.imports[0].inspect_source())
"""


def test_the_entry_point_is_declared() -> None:
    assert ENTRY in (Path(__file__).parent.parent / "pyproject.toml").read_text()


def test_tvm_finds_our_targets_and_rules_by_itself(tmp_path: Path) -> None:
    about = tmp_path / "found-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: found\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[tvm.backends]\n" + ENTRY.replace('"', "") + "\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "__mlu_global__" in done.stdout
