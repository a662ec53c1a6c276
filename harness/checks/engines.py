"""What two engines that need no hub score on the labels, and how many of their results nobody judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np

from harness.checks.study import MOST_RANKED, RECALL_K, Findings, K, Study, Unchecked
from harness.parts import find
from harness.protocols import Encoder, OpenEncoder, Pooling
from harness.ranking import judge
from harness.types import EvalSet, HarnessError, Inapplicable, Judged, Note, Qrels, Role, Texts, Unavailable, Vectors

STATIC = "wordllama"  # the static model: in a package, and quick
_SCORES = (("ndcg", K), ("condensed_ndcg", K), ("judged", K), ("recall", K), ("recall", RECALL_K))
_WORK = 5_000_000  # documents times queries that are ranked; beyond it an even sample of the queries is
_FEWEST = 100  # queries of such a sample
_FEW = 0.5  # unjudged of the first ten, beyond which scores say little
_APART = 0.10  # in judged@10, as the decision rule has it (method.md)
_ALL = 0.995  # Recall@10 that counts as all
_SEVERAL = 1.5  # relevant documents a query, from which a Recall@10 of all is no chance
WITHIN = "labels-within-one-engine"
_READ = 1000  # characters of a text that the static model reads: nearly all of its time goes into cutting words
_TELLING = 10  # scored queries below which a difference of engines is chance
_LANGUAGES = {"en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese"}


@dataclass(frozen=True)
class Engine:
    """What one engine does with the labels: means over the ranked queries, by metric."""

    name: str
    scores: Mapping[str, float]

    @property
    def holes(self) -> float:
        """Share of the first 10 that nobody judged."""
        return 1 - self.scores["judged_at_10"]

    def said(self) -> str:
        """Both scores, with what is not judged as wrong and left out."""
        plain, condensed = self.scores[f"ndcg_at_{K}"], self.scores[f"ndcg_condensed_at_{K}"]
        return f"{self.name} {plain:.4f} ({condensed:.4f} over judged documents alone)"


def engines(study: Study) -> Findings:
    """The best that can be reached, chance and BM25; holes of BM25 and of a static model, and whether they differ."""
    if len(study.documents) > MOST_RANKED:
        yield Unchecked(f"what BM25 and a static model find: more than {MOST_RANKED:,} documents")
        return
    evalset, of = ranked_part(study)
    try:
        words = measured("BM25", evalset, bm25(evalset), Direct())
    except Inapplicable as error:
        yield Unchecked(f"what BM25 scores, and holes: {error}")
        return
    yield _reachable(study, words, of)
    try:
        static = measured("a static model", evalset, _static(), Direct())
    except Unavailable as error:
        yield Unchecked(f"labels from one engine: {error}")
        return
    except HarnessError as error:
        yield Unchecked(f"labels from one engine: a static model does not apply: {error}")
        return
    yield _holes(study, words, static, of)
    yield from _within(study, (words, static), of)
    yield from _declared(study, words, of)


def _reachable(study: Study, words: Engine, of: str) -> Note:
    """nDCG@10, Recall@10 and Recall@100 of an order by chance, as expected; of BM25; and the best that there is."""
    chance, best = expected(study), reachable(study)
    keys = (f"ndcg_at_{K}", f"recall_at_{K}", f"recall_at_{RECALL_K}")
    parts = [
        f"{name} {chance[key]:.4f} random, {words.scores[key]:.4f} BM25, {best[key]:.4f} best"
        for name, key in zip((f"nDCG@{K}", f"Recall@{K}", f"Recall@{RECALL_K}"), keys, strict=True)
    ]
    room = best[keys[0]] - words.scores[keys[0]]
    effect = f"models have {max(0.0, room):.4f} nDCG@{K} above BM25 to differ in"
    return Note("reachable", "info", "", f"{'; '.join(parts)}{of}", effect, "", len(study.graded))


def reachable(study: Study) -> dict[str, float]:
    """The scores of a perfect ranking of the documents that there are, a query's own left out with `exclude_self`."""
    sums = np.zeros(3)
    for query, judged in study.graded.items():
        there = sorted(_present(study, query), reverse=True)
        ideal = sorted((grade for _, grade in judged), reverse=True)
        gain = [sum(g / np.log2(i + 2) for i, g in enumerate(side[:K])) for side in (there, ideal)]
        sums += gain[0] / gain[1], min(K, len(there)) / len(judged), min(RECALL_K, len(there)) / len(judged)
    return _by_key(sums / len(study.graded))


def expected(study: Study) -> dict[str, float]:
    """The expected scores of a random order of the corpus: each rank holds any document equally likely."""
    sums, size = np.zeros(3), len(study.documents)
    for query, judged in study.graded.items():
        there, n = _present(study, query), size - _has_own(study, query)
        ideal = sum(g / np.log2(i + 2) for i, g in enumerate(sorted((g for _, g in judged), reverse=True)[:K]))
        gain = sum(there) / n * sum(1 / np.log2(i + 2) for i in range(min(K, n)))
        found = len(there) / len(judged)
        sums += gain / ideal, found * min(1.0, K / n), found * min(1.0, RECALL_K / n)
    return _by_key(sums / len(study.graded))


def _by_key(values: Any) -> dict[str, float]:
    return dict(zip((f"ndcg_at_{K}", f"recall_at_{K}", f"recall_at_{RECALL_K}"), values.tolist(), strict=True))


def _present(study: Study, query: int) -> list[int]:
    """Grades of the relevant documents that can be found."""
    own = study.own_document(query)
    return [grade for document, grade in study.graded[query] if document >= 0 and document != own]


def _has_own(study: Study, query: int) -> int:
    return int(study.own_document(query) >= 0 and len(study.documents) > 1)


def _holes(study: Study, words: Engine, static: Engine, of: str) -> Note:
    gap = static.holes - words.holes
    message = f"unjudged in the first {K}: BM25 {words.holes:.1%}, a static model {static.holes:.1%}{of}"
    effect = f"nDCG@{K} with unjudged as wrong: {words.said()}, {static.said()}"
    blind = not (study.evalset.qrels.grade <= 0).any()
    if abs(gap) <= _APART or len(study.graded) < _TELLING:
        message += "; nothing is judged irrelevant, so an unjudged document may be wrong or missed" if blind else ""
        fix = "Judge what the finalists find: harness pool."
        few = min(words.holes, static.holes) > _FEW and not blind  # of right answers alone few are always judged
        code, level = ("few-judged", "warning") if few and len(study.graded) >= _TELLING else ("holes", "info")
        return Note(code, level, "", message, effect, fix, len(study.graded))
    ahead, behind = ("BM25", "the static model") if gap > 0 else ("the static model", "BM25")
    message += f": the labels favour {ahead} by {abs(gap):.1%}"
    message += f", or {behind} is worse here: nothing is judged irrelevant, so they cannot tell" if blind else ""
    fix = "Judge what the others find (harness pool), or compare scores over judged documents alone."
    return Note("labels-from-one-engine", "warning", "", message, effect, fix, len(study.graded))


def _within(study: Study, engines: Sequence[Engine], of: str) -> Findings:
    """Whether all that is relevant stands in the first ten of one engine, and not of the other: where queries have
    several relevant documents, only labels that this engine's results were the source of look so.
    """
    each = sum(map(len, study.graded.values())) / len(study.graded)
    if each < _SEVERAL or len(study.graded) < _TELLING:
        return
    key = f"recall_at_{K}"
    for one, other in permutations(engines):
        if one.scores[key] >= _ALL and other.scores[key] < _ALL - _APART:
            message = f"every relevant document is among the first {K} of {one.name}{of}, {each:.1f} a query"
            effect = f"Recall@{K} is {one.scores[key]:.4f} for {one.name} and {other.scores[key]:.4f} for {other.name}"
            fix = "Judge what the others find (harness pool), and say label_source in the manifest."
            yield Note(WITHIN, "warning", "", message, effect, fix, len(study.graded))


def _declared(study: Study, words: Engine, of: str) -> Findings:
    """Labels declared to be BM25's first ten, where a BM25 has too few of them there; another BM25 has most."""
    if study.evalset.label_source != "bm25-top10" or len(study.graded) < _TELLING:
        return
    blind = not (study.evalset.qrels.grade <= 0).any()
    key, what = ("recall", "of the relevant documents are among") if blind else ("judged", "are judged of")
    share = words.scores[f"{key}_at_{K}"]
    if share < 1 - _FEW:
        message = f"label_source says bm25-top10, but {share:.1%} {what} the first {K} of BM25{of}"
        effect = "the decision takes labels of one engine for lopsided, and these are not"
        fix = "Say in label_source where the labels come from."
        yield Note("label-source-contradicted", "warning", "", message, effect, fix, len(study.graded))


def ranked_part(study: Study) -> tuple[EvalSet, str]:
    """The eval set with its scored queries, or an even sample of them, and how a message says that it is one."""
    scored = np.array(sorted(study.graded))
    most = max(_FEWEST, _WORK // len(study.documents))
    step = -(-len(scored) // most)
    kept = scored[::step]
    of = f" ({len(kept)} of {len(scored)} scored queries)" if step > 1 else ""
    return with_queries(study.evalset, kept.tolist(), study.evalset.queries.texts), of


def with_queries(evalset: EvalSet, kept: Sequence[int], texts: Sequence[str]) -> EvalSet:
    """The set with some of its queries, and for them other texts by position."""
    at = np.full(len(evalset.queries), -1, dtype=np.int32)
    at[list(kept)] = np.arange(len(kept), dtype=np.int32)
    query, document, grade = evalset.qrels
    there = at[query] >= 0
    queries = Texts(tuple(evalset.queries.ids[i] for i in kept), tuple(texts[i] for i in kept))
    return replace(evalset, queries=queries, qrels=Qrels(at[query[there]], document[there], grade[there]))


def measured(name: str, evalset: EvalSet, retriever: Any, source: Direct) -> Engine:
    """Mean scores of a retriever; Inapplicable and Unavailable pass through."""
    judged: Judged = judge(retriever.prepare(evalset, source).rank(RECALL_K), evalset.qrels)
    metrics = [find("metrics", metric)(k=k) for metric, k in _SCORES]
    return Engine(name, {m.key: float(np.nan_to_num(np.nanmean(_filled(m.score(judged))))) for m in metrics})


def _filled(scores: Any) -> Any:
    """Scores as they are; where no query found anything, one zero in place of nothing to average."""
    return np.zeros(1) if np.isnan(scores).all() else scores


def bm25(evalset: EvalSet) -> Any:
    """BM25 in the first declared language that it has stop words for; for others, without stop words and stemmer."""
    spoken = [code.partition("-")[0] for code in evalset.languages]
    known = [_LANGUAGES[code] for code in spoken if code in _LANGUAGES]
    if spoken and not known:
        return find("retrievers", "bm25")(stemmer="none", stopwords="none")
    return find("retrievers", "bm25")(language=known[0] if known else "english")


def _static() -> Any:
    encoder = find("encoders", STATIC)()
    return find("retrievers", "dense")(
        encoder=encoder, pooling=find("poolings", "native")(), reduction=find("reductions", "truncate")(),
        quantizer=find("quantizers", "float32")(), index=find("indexes", "flat")(),
    )  # fmt: skip


@cache
def _opened(encoder: type) -> OpenEncoder:
    opened: OpenEncoder = encoder().open("cpu")
    return opened


class Direct:
    """Vectors of the beginnings of texts, as a model of 256 tokens reads them; nothing is stored."""

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        """See `VectorSource`."""
        rows, tokens, full, _ = _opened(type(encoder)).encode([text[:_READ] for text in texts], role, [pooling], None)
        return Vectors(rows[0], tokens, full)
