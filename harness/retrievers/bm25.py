"""Search by words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Lap, Need, VectorSource
from harness.ranking import best, id_order, own_documents, stacked
from harness.types import Doubles, EvalSet, Inapplicable, Ints, Ranking

_STOPWORDS = {"english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt"}


@dataclass(frozen=True)
class Bm25:
    """BM25 through bm25s (Lu 2024, arXiv:2407.03618), whose defaults these are; Snowball stemmer and stop words.

    Only documents that share a word with the query are results, as in Lucene; mteb's baseline fills its list up
    with documents of score 0. `stemmer="none"` and `stopwords="none"` switch either off.
    """

    language: str = "english"
    method: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"
    k1: float = 1.5
    b: float = 0.75
    stemmer: Literal["snowball", "none"] = "snowball"
    stopwords: Literal["language", "none"] = "language"

    def needs(self) -> Sequence[Need]:
        """No vectors."""
        return ()

    def prepare(self, evalset: EvalSet, source: VectorSource) -> Bm25Searcher:
        """Tokenize and index the documents; Inapplicable for a language bm25s has no stop words or stemmer for."""
        return Bm25Searcher(self, evalset)


class Bm25Searcher:
    """A bm25s index over one eval set."""

    def __init__(self, part: Bm25, evalset: EvalSet) -> None:
        import bm25s

        self.texts = evalset.queries.texts
        self.excluded = own_documents(evalset)
        self.order = id_order(evalset.documents.ids)
        self._options = _tokenizer_options(part)
        self.warnings = _foreign(part.language, evalset.languages)
        words = bm25s.tokenize(list(evalset.documents.texts), **self._options)
        if not any(len(w) for w in words.ids):
            raise Inapplicable("BM25 finds no word in any document: all are empty or only stop words")
        self._index = bm25s.BM25(method=part.method, k1=part.k1, b=part.b)
        self._index.index(words, show_progress=False)
        self._words = set(words.vocab)
        self.facts: Mapping[str, float] = self._sizes(len(self.order))

    def rank(self, k: int) -> Ranking:
        """The k best for every query."""
        return stacked([self._one(i, k) for i in range(len(self.texts))])

    def score(self, candidates: Ints) -> Doubles:
        """See `Searcher`; a document that shares no word with the query gets what the formula gives: mostly 0.0."""
        known = candidates >= 0
        rows = [self._exact(self._known(i))[row] for i, row in enumerate(candidates)]
        return np.where(known, np.stack(rows), -np.inf)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """One query from its text: tokenize, score, sort."""
        found = self._one(query, k).documents
        lap("search")
        return found[found >= 0]

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """One query from its text: tokenize, score."""
        scores = self._exact(self._known(query))[documents]
        lap("score")
        return scores

    def _one(self, query: int, k: int) -> Ranking:
        known = self._known(query)
        found = self._containing(known)
        found = found[found != self.excluded[query]]
        return best(found, self._exact(known)[found], self.order, k)

    def _known(self, query: int) -> list[str]:
        """The query's words that the index holds."""
        import bm25s

        tokens = bm25s.tokenize([self.texts[query]], return_ids=False, **self._options)[0]
        return [t for t in tokens if t in self._words]

    def _exact(self, tokens: list[str]) -> Doubles:
        """float64 [n] scores of all documents, rounded so that equal texts tie."""
        exact: Doubles = self._scores(tokens).astype(np.float64)
        return np.asarray(np.round(exact, 9), dtype=np.float64)

    def _containing(self, tokens: list[str]) -> NDArray[np.int64]:
        # Not "score above 0": bm25l and bm25+ give every document a score, robertson gives frequent words none.
        starts, rows = self._index.scores["indptr"], self._index.scores["indices"]
        columns = [rows[starts[t] : starts[t + 1]] for t in self._index.get_tokens_ids(tokens)]
        return np.unique(np.concatenate(columns)).astype(np.int64) if columns else np.zeros(0, dtype=np.int64)

    def _scores(self, tokens: list[str]) -> NDArray[np.float32]:
        if not tokens:
            return np.zeros(len(self.order), dtype=np.float32)
        return np.asarray(self._index.get_scores(tokens), dtype=np.float32)

    def _sizes(self, documents: int) -> Mapping[str, float]:
        arrays = sum(np.asarray(a).nbytes for a in self._index.scores.values() if isinstance(a, np.ndarray))
        total = float(arrays + sum(len(w.encode()) + 4 for w in self._words))
        return {"index_bytes": total, "ram_bytes": total, "bytes_per_doc": total / documents}


def _foreign(language: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    spoken = {code.partition("-")[0] for code in declared}
    if not spoken or _STOPWORDS.get(language) in spoken:
        return ()
    return (f"BM25 stems and drops stop words as {language}, but the eval set is in {', '.join(sorted(spoken))}",)


def _tokenizer_options(part: Bm25) -> dict[str, Any]:
    import Stemmer

    if part.stopwords == "language" and part.language not in _STOPWORDS:
        known = ", ".join(sorted(_STOPWORDS))
        raise Inapplicable(f"BM25 has no stop words for {part.language!r}; use one of {known}, or stopwords=none")
    if part.stemmer == "snowball" and part.language not in Stemmer.algorithms():
        raise Inapplicable(f"BM25 has no stemmer for {part.language!r}; use stemmer=none")
    return {
        "stopwords": _STOPWORDS[part.language] if part.stopwords == "language" else [],
        "stemmer": Stemmer.Stemmer(part.language) if part.stemmer == "snowball" else None,
        "show_progress": False,
    }
