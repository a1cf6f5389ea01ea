"""Accuracy that others report, in percent of kernels whose result is right.

QiMeng-Xpiler (OSDI 2025): 21 operators at 8 shapes, 168 kernels a direction. hipify-clang and PPCG
as measured there.
"""

XPILER = {
    ("cuda", "bang"): 91.7,
    ("cuda", "hip"): 100.0,
    ("cuda", "vnni"): 95.2,
    ("bang", "cuda"): 95.8,
    ("bang", "hip"): 97.0,
    ("bang", "vnni"): 95.2,
    ("hip", "cuda"): 100.0,
    ("hip", "bang"): 86.9,
    ("hip", "vnni"): 96.4,
    ("vnni", "cuda"): 98.2,
    ("vnni", "bang"): 88.7,
    ("vnni", "hip"): 99.4,
}
RULES = {("cuda", "hip"): ("hipify", 85.7), ("vnni", "cuda"): ("PPCG", 47.6)}
"""Translators by rules alone; PPCG's sources are plain C."""
