"""Kernels with symbolic sizes: read once for all of them, raised at some, generalised, tried.

ranges         the values that sizes may take, and the conditions on them
instances      a program at a point: numbers in place of sizes
points         where programs are raised, and where they are tried
fitting        numbers at several points as an expression in the sizes
generalising   programs at several points as one over the sizes
raising        all of this: the SBlock form over the sizes
"""
