"""Processes that can do little: what runs, compiles or parses a text from outside runs in one."""
