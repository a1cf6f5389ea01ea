"""Faults put into correct kernels, and what an oracle makes of them.

`corpus` holds the kernels with a reference beside each, `text_faults` and `program_faults` make the
mutants, `sampling` chooses among them, `judging` holds them against an oracle, `equivalents` knows
those that are no faults, and `report` prints what came of it.
"""
