"""Eval sets on disk: `claims(path)` and `read()`."""
