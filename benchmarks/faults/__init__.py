"""Faults of the paper's kinds put into correct kernels, for what repairs them.

`injecting` makes them, `candidates` has the kernels they are put into, `judging` looks at a repair
with inputs that nobody has seen, `report` prints what came of it.
"""
