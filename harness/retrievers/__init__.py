"""Whole ways of ranking a corpus: `index(evalset, source)` then `rank`."""
