"""Holds the emulator against a real GPU: values, and what compute-sanitizer finds.

    python benchmarks/emulator_vs_gpu.py pack -o build/gpu_pack     # here; takes minutes
    python build/gpu_pack/run_on_gpu.py                             # there, see its own text
    python benchmarks/emulator_vs_gpu.py report build/gpu_pack/results.json

The pack needs neither this package nor TVM where it runs. `report` writes docs/emulator-vs-gpu.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "emulator-vs-gpu.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action")
    pack = actions.add_parser("pack", help="run every kernel in the emulator, write the pack")
    pack.add_argument("-o", "--output", type=Path, default=Path("build/gpu_pack"))
    pack.add_argument("--only", default="", help="names of kernels, with commas")
    report = actions.add_parser("report", help="write the document from results.json")
    report.add_argument("results", type=Path, help="a file that is absent means: nothing compared")
    report.add_argument("-o", "--output", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    if options.action == "pack":
        from gpu_pack import packing

        names = set(filter(None, options.only.split(",")))
        chosen = [job for job in packing.jobs() if not names or job[0] in names]
        unknown = names - {name for name, _ in chosen}
        if unknown:
            parser.error(f"no kernel named {', '.join(sorted(unknown))}")
        made = packing.write(options.output, chosen)
        print(f"{len(made['kernels'])} kernels packed, {len(made['left_out'])} left out")
    elif options.action == "report":
        from gpu_pack import reporting

        options.output.write_text(reporting.document(options.results), encoding="utf-8")
    else:
        parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
