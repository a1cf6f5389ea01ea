"""How large arrays with symbolic sizes may be."""

LIMIT = 1 << 30
"""Elements of one array: indices that are rounded up to whole blocks still fit 32 bits."""
