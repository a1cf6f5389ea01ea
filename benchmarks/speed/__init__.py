"""What `vnni_speed.py` measures: operators in plain C, and the same through CPU libraries."""
