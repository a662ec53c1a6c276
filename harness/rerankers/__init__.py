"""Models that read query and document together: `rerank(device)` then `score(queries, documents)`."""
