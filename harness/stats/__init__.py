"""Statistics over per-item scores: pure functions of arrays and seeds."""
