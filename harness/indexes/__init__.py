"""Nearest documents for query vectors: `build(documents, ids)` then `search`."""
