"""Vectors to shorter vectors: `fit(documents)` then `apply(vectors)`."""
