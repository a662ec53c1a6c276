"""Judged rankings to a score for each query: `score(judged)`."""
