"""Vectors to codes and back: `fit(documents)` then `encode`, `decode`, `query`."""
