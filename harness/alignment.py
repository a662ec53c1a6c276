"""Items of an eval set in one order, whatever order the records of its candidates have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.types import Record

_OF_ITS_OWN = ("unscored_ids", "unscored_top")  # of queries that have no score


def aligned(variants: Sequence[Mapping[str, Any]], records: Mapping[str, Record]) -> dict[str, Record]:
    """The records, those of quality in the order of items that the first one on their eval set has.

    Records with other items, with an id twice, or without ids (older sweeps) stay as they are.
    """
    found, orders = dict(records), dict[str, list[str]]()
    for variant in variants:
        record = found.get(variant["quality"])
        ids = item_ids(record) if record is not None else []
        order = orders.setdefault(variant["task"], ids) or ids
        if record is not None and ids != order and len(set(order)) == len(order) and sorted(ids) == sorted(order):
            found[record.key] = _moved(record, ids, order)
        orders[variant["task"]] = order
    return found


def item_ids(record: Record) -> list[str]:
    """Ids of the items that have a score, in the order of the arrays; none where the record does not tell them."""
    return [str(one) for one in record.arrays.get("query_ids", np.empty(0)).tolist()]


def _moved(record: Record, ids: Sequence[str], order: Sequence[str]) -> Record:
    at = {one: place for place, one in enumerate(ids)}
    places = np.asarray([at[one] for one in order])
    moved = {
        name: values[places] if values.ndim and len(values) == len(ids) and name not in _OF_ITS_OWN else values
        for name, values in record.arrays.items()
    }
    return replace(record, arrays=moved)
