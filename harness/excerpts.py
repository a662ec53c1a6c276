"""What pages show of queries and documents: kept beside the records, so that a report needs no eval set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.table import Sweep


class Excerpt(NamedTuple):
    """Texts of one eval set, as far as `report.query_text` allows them, and its judgements.

    queries: query id -> its text, shortened, or what stands for it. documents: position in the eval set -> (id, text),
    those among the first of any candidate and those judged relevant. grades: query id -> position -> grade.
    """

    queries: Mapping[str, str]
    documents: Mapping[int, tuple[str, str]]
    grades: Mapping[str, Mapping[int, int]]


def read_excerpts(sweep: Sweep) -> dict[str, Excerpt]:  # noqa: ARG001
    """What was kept for a sweep, by eval set; empty for sweeps from before there were excerpts."""
    return {}
