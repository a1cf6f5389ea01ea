"""What `import tvm` finds of us, without `import xpiler_tvm`: targets by tag, schedule rules.

    import tvm
    library = tvm.compile(mod, target=tvm.target.Target("xpiler/bang"))
    executable = tvm.compile(mod, target, relax_pipeline="xpiler")

Our schedule rules stand in Relax's registry of pipelines, and in MetaSchedule's of rules for blocks
that are marked `schedule_rule: "xpiler"`.

TVM calls `autoload` through the entry point `tvm.backends` at the end of its own import, so nothing
here may be heavy. The code generators are loaded when a module is first lowered, the rules when
they are first asked for.
"""

from __future__ import annotations

import functools
from typing import Any

# As `targets.bang()` and `targets.hip()` describe themselves.
TAGS = {"xpiler/bang": ("bang", "gpu"), "xpiler/hip": ("hip", "gpu")}

RULES = "xpiler"
# By the key of a target of TVM's, which is all that MetaSchedule says of it. The processor of a CPU
# is not known then; LLVM splits vectors that are too long for it.
RULES_BY_KEY = {"cpu": "vnni:skylake-avx512", "cuda": "cuda", "hip": "hip", "bang": "bang"}


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
    _register_rules()


def _register_rules() -> None:
    from tvm import register_global_func
    from tvm.relax import register_pipeline

    def pipeline() -> Any:
        from xpiler_tvm.relax.registered import pipeline

        return pipeline()

    def rule(target: str, schedule: Any, block: Any) -> Any:
        from xpiler_tvm.relax.registered import rule

        return rule(target, schedule, block)

    register_pipeline(RULES)(pipeline)
    for key, target in RULES_BY_KEY.items():
        name = f"s_tir.meta_schedule.{key}.{RULES}"
        register_global_func(name, functools.partial(rule, target), override=True)
