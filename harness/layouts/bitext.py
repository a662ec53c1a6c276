"""Sentences and their translations, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.cases import at
from harness.complaints import Broken
from harness.pairing import pairs_of, sides
from harness.sampling import drawn, only
from harness.splits import Content, Splits
from harness.types import EvalSet, Note


@dataclass(frozen=True)
class Bitext:
    """Columns sentence1 and sentence2, each row a sentence and its translation; `columns` renames first and second."""

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """One pair a row; a single row is a HarnessError."""
        table = splits.table(self.split)
        pairs = [pair for pair, _, _ in pairs_of(table, self.columns, {})]
        if len(pairs) == 1:
            raise Broken(f"{table.where} has one pair, which no model can miss; expected at least two.", "too-few")
        return sides(pairs, {"gold": np.arange(len(pairs), dtype=np.int32)}, table.where)

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """One language, empty sentences, sentences that come twice with the best score left, two sides alike."""
        return [*_languages(evalset), *_empty(evalset), *_repeated(evalset), *_same(evalset)]

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many sentences and their translations, among which alone is searched then."""
        everything = np.arange(len(evalset.queries), dtype=np.int64)
        queries = np.sort(drawn(evalset.queries.ids, everything, "pair")[:items])
        documents, gold = np.unique(evalset.targets["gold"][queries], return_inverse=True)
        return replace(
            evalset,
            documents=only(evalset.documents, documents.astype(np.int64)),
            queries=only(evalset.queries, queries),
            targets={"gold": gold.astype(np.int32)},
        )


def _pairs(evalset: EvalSet) -> list[tuple[str, str]]:
    documents, gold = evalset.documents.texts, evalset.targets["gold"].tolist()
    return [(text, documents[i]) for text, i in zip(evalset.queries.texts, gold, strict=True)]


def _languages(evalset: EvalSet) -> list[Note]:
    given = evalset.languages
    if not given or len(set(given)) > 1:
        return []
    message = f"languages: [{', '.join(given)}]: a bitext has two languages"
    level = "error" if len(given) == 1 else "warning"
    effect = "all of the score: sentences of one language are paired by their words, not by translation"
    note = Note("one-language", level, evalset.source, message, effect, "Name both, such as [de, en].")
    return [note._replace(example=", ".join(given))]


def _empty(evalset: EvalSet) -> list[Note]:
    empty = [i for i, pair in enumerate(_pairs(evalset)) if not all(text.strip() for text in pair)]
    if not empty:
        return []
    message = f"{len(empty)} pairs have an empty side, such as {evalset.queries.ids[empty[0]]}"
    effect = f"{len(empty) / len(evalset.queries):.1%} of the score is chance: an empty sentence has no translation"
    note = Note("empty-pairs", "warning", "", message, effect, "Remove these pairs.", len(empty))
    return [at(note, evalset.queries, empty[0])]


def _repeated(evalset: EvalSet) -> list[Note]:
    pairs = _pairs(evalset)
    again = [len(pairs) - len({pair[side] for pair in pairs}) for side in (0, 1)]
    if not any(again):
        return []
    message = f"{again[0]} sentences repeat an earlier one, {again[1]} translations an earlier one"
    best = _findable(pairs) / len(pairs)
    effect = f"of equal texts one at most is found: accuracy at most {best:.4f}, and F1 no higher"
    note = Note("duplicate-sentences", "warning", "", message, effect, "Keep one of each.", sum(again))
    side, texts = (0, evalset.queries) if again[0] else (1, evalset.documents)
    first = next(i for i, pair in enumerate(pairs) if any(pair[side] == before[side] for before in pairs[:i]))
    return [at(note, texts, first)]


def _findable(pairs: Sequence[tuple[str, str]]) -> int:
    """How many pairs can be right at once where equal texts are answered alike, and one of equal answers is taken."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    rows, columns = ({text: i for i, text in enumerate(dict.fromkeys(side))} for side in zip(*pairs, strict=True))
    edges = ([rows[one] for one, _ in pairs], [columns[other] for _, other in pairs])
    graph = csr_array((np.ones(len(pairs), dtype=np.int32), edges), shape=(len(rows), len(columns)))
    return int((maximum_bipartite_matching(graph) >= 0).sum())


def _same(evalset: EvalSet) -> list[Note]:
    same = [i for i, (one, other) in enumerate(_pairs(evalset)) if one == other]
    if not same:
        return []
    share = len(same) / len(evalset.queries)
    message = f"{len(same)} of {len(evalset.queries)} sentences are their own translation, such as "
    message += evalset.queries.ids[same[0]]
    effect = f"every model finds them: {share:.1%} of the score is given away"
    level = "warning" if share >= 0.05 else "info"
    note = Note("equal-texts", level, "", message, effect, "Remove them, or translate them.", len(same))
    return [at(note, evalset.queries, same[0])]
