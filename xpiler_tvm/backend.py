"""What `import tvm` finds of us: targets by tag, without `import xpiler_tvm`.

    import tvm
    library = tvm.compile(mod, target=tvm.target.Target("xpiler/bang"))

TVM calls `autoload` through the entry point `tvm.backends` at the end of its own import, so nothing
here may be heavy. The code generators are loaded when a module is first lowered.
"""

from __future__ import annotations

import functools
from typing import Any

# As `targets.bang()` and `targets.hip()` describe themselves.
TAGS = {"xpiler/bang": ("bang", "gpu"), "xpiler/hip": ("hip", "gpu")}


@functools.cache
def autoload() -> None:
    """Registers the tags, and a pipeline that brings the code generators along."""
    from tvm.target import register_tag
    from tvm.tirx.compilation_pipeline import PIPELINE_MAP, register_tir_pipeline

    for tag, keys in TAGS.items():
        about = {
            "kind": "ext_dev",
            "keys": list(keys),
            "device": tag.partition("/")[2],
            "target_device_type": 1,
            "host": {"kind": "llvm"},
        }
        register_tag(tag, about, override=True)
    plain = PIPELINE_MAP["s_tir"]

    def first(**options: Any) -> Any:
        from xpiler_tvm.targets.compiling import install

        install()
        return PIPELINE_MAP["s_tir"](**options)

    first.replaced = plain  # type: ignore[attr-defined]
    register_tir_pipeline("s_tir", first)
