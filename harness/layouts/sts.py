"""Pairs of texts and how alike people found them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.columns import Want, number_of, within
from harness.complaints import Broken, complain
from harness.pairing import pair_findings, pairs_kept, pairs_of, sides
from harness.splits import Content, Splits
from harness.types import EvalSet, Note

_FEWEST = 3
_SCORE = Want(("score",), ("score",))


@dataclass(frozen=True)
class Sts:
    """Columns sentence1, sentence2 and score; `columns` renames them as first, second and score.

    A score lies between `min_score` and `max_score` of the settings, 0 and 5 if they are not named.
    """

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """One pair a row; a score beyond the scale, or the same score for all, is a HarnessError."""
        low, high = float(self.settings.get("min_score", 0)), float(self.settings.get("max_score", 5))
        table = splits.table(self.split)
        pairs, scores = [], []
        for pair, names, wants in pairs_of(table, self.columns, {"score": _SCORE}):
            try:
                score = within(number_of(pair.row, "score", names, wants), (low, high), pair.row)
            except Broken as error:
                complain(error)
                continue
            pairs.append(pair)
            scores.append(score)
        if pairs and len(set(scores)) < 2:
            line = f"{table.where}: every pair has the same score, so there is no order to follow."
            raise Broken(line, "one-score")
        if 0 < len(pairs) < _FEWEST:
            line = f"{table.where}: expected at least {_FEWEST} pairs, of two the correlation is 1 or -1; "
            raise Broken(f"{line}it has {len(pairs)}.", "too-few")
        return sides(pairs, {"score": np.array(scores, dtype=np.float64)}, table.where)

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """What `pair_findings` says."""
        return pair_findings(evalset, "score")

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many pairs."""
        return pairs_kept(evalset, items)
