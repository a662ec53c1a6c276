"""Pairs of texts that are alike or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.columns import Want, value_of
from harness.complaints import Broken, complain
from harness.pairing import pair_findings, pairs_kept, pairs_of, sides
from harness.reading import Row
from harness.splits import Content, Splits
from harness.types import EvalSet, Note

_LABEL = Want(("label",), ("label",))
_MEANS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


@dataclass(frozen=True)
class PairClassification:
    """Columns sentence1, sentence2 and label, 1 or true where the two are alike, 0 or false where they are not.

    `columns` renames them as first, second and label.
    """

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """One pair a row; any other label, or the same for all, is a HarnessError."""
        table = splits.table(self.split)
        pairs, labels = [], []
        for pair, names, wants in pairs_of(table, self.columns, {"label": _LABEL}):
            try:
                label = _label(value_of(pair.row, "label", names, wants), pair.row)
            except Broken as error:
                complain(error)
                continue
            pairs.append(pair)
            labels.append(label)
        if labels and len(set(labels)) < 2:
            line = f"{table.where}: every pair has the label {labels[0]}; expected some of 0 and some of 1."
            raise Broken(line, "one-label")
        return sides(pairs, {"label": np.array(labels, dtype=np.int32)}, table.where)

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """What `pair_findings` says, and the score of an order by chance."""
        return [*pair_findings(evalset, "label"), _chance(evalset)]

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many pairs."""
        return pairs_kept(evalset, items)


def _label(value: Any, row: Row) -> int:
    known = _MEANS.get(str(value).strip().lower())
    if known is None:
        raise Broken(f"{row.place} has the label {value!r:.60}; expected 0 or 1, true or false.", "bad-label")
    return known


def _chance(evalset: EvalSet) -> Note:
    label = evalset.targets["label"]
    share = float(label.mean())
    message = f"{int(label.sum())} of {len(label)} pairs are alike"
    effect = (
        f"by chance average precision is {share:.3f}, and one answer for all is right in {max(share, 1 - share):.3f}"
    )
    return Note("chance", "info", "", message, effect)
