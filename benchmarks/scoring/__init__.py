"""Scoring of translations: rows of a kernel and a target, tables of them, kernels from outside.

`rows` makes them, `tables` and `chart` show them, `published` has what others report, `external`
reads kernels that are no part of this repository.
"""
