"""Our retrievers as models that mteb's retrieval and reranking tasks search with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.protocols import Retriever, Searcher, VectorSource
from harness.types import NO_QRELS, EvalSet, HarnessError, Texts

Results = dict[str, dict[str, float]]


class SearchModel:
    """A retriever as mteb's SearchProtocol: what is fitted is fitted on the corpus of each task, as in our own runs.

    Titles, dialogues and instructions become texts as mteb's own encoders get them. Scores are the retriever's; its
    order holds but for what trec_eval's float32 cannot tell apart.
    """

    def __init__(
        self, retriever: Retriever, source: VectorSource, name: str = "harness/retriever", revision: str = ""
    ) -> None:
        self.retriever, self.source = retriever, source
        self.name, self.revision = name, revision
        self.corpus: Texts | None = None

    @property
    def mteb_model_meta(self) -> Any:
        """The name under which mteb files it."""
        from mteb.models.model_meta import ModelMeta

        return ModelMeta.create_empty({"name": self.name, "revision": self.revision or None, "modalities": ["text"]})

    def index(self, corpus: Any, **_: Any) -> None:
        """Take a corpus; it is encoded when its queries are there."""
        self.corpus = _texts(corpus, "document")

    def search(
        self, queries: Any, *, top_k: int, top_ranked: Mapping[str, Sequence[str]] | None = None, **_: Any
    ) -> Results:
        """Scores by query and document: the best `top_k` of the corpus, or of what `top_ranked` lists for a query.

        HarnessError where nothing was indexed, or a listed document is not in the corpus.
        """
        if self.corpus is None:
            raise HarnessError("nothing was indexed; call index first")
        evalset = EvalSet("mteb", "retrieval", self.corpus, _texts(queries, "query"), NO_QRELS)
        searcher = self.retriever.prepare(evalset, self.source)
        if top_ranked is None:
            found = searcher.rank(min(top_k, len(evalset.documents)))
            return _named(evalset, found.documents, found.scores, top_k)
        return _reranked(evalset, searcher, top_ranked, top_k)


def _texts(dataset: Any, side: str) -> Texts:
    from mteb._create_dataloaders import _retrieval_texts
    from mteb.types import PromptType

    return Texts(tuple(map(str, dataset["id"])), tuple(_retrieval_texts(dataset, PromptType(side))))


def _reranked(evalset: EvalSet, searcher: Searcher, top_ranked: Mapping[str, Sequence[str]], top_k: int) -> Results:
    place = {name: i for i, name in enumerate(evalset.documents.ids)}
    listed = [list(dict.fromkeys(top_ranked.get(query, ()))) for query in evalset.queries.ids]
    if unknown := {name for row in listed for name in row} - set(place):
        raise HarnessError(f"{len(unknown)} documents to rerank are not in the corpus, such as {min(unknown)}")
    candidates = np.full((len(listed), max(map(len, listed), default=0)), -1, dtype=np.int32)
    for row, names in zip(candidates, listed, strict=True):
        row[: len(names)] = [place[name] for name in names]
    return _named(evalset, candidates, searcher.score(candidates), top_k)


def _named(evalset: EvalSet, documents: Any, scores: Any, top_k: int) -> Results:
    return {
        query: dict(_best(evalset.documents.ids, found, own, top_k))
        for query, found, own in zip(evalset.queries.ids, documents, scores, strict=True)
    }


def _best(ids: Sequence[str], documents: Any, scores: Any, top_k: int) -> Iterator[tuple[str, float]]:
    for at in np.argsort(-scores, kind="stable")[:top_k]:
        if documents[at] >= 0:
            yield ids[documents[at]], float(scores[at])
