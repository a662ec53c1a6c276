"""The texts themselves: empty ones, one template for all queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.checks.engines import Direct, bm25, measured, ranked_part, with_queries
from harness.checks.study import MOST_RANKED, Findings, K, Study, named
from harness.types import Inapplicable, Note

_WORDS = 3  # that queries must share to be of one template
_SHARE = 0.5
_FEWEST = 10  # queries below which shared words are chance


def empty_texts(study: Study) -> Findings:
    """Documents and queries without text, and how many scored queries they touch."""
    documents, queries, scored = study.evalset.documents, study.evalset.queries, len(study.graded)
    blank = [position for position, text in enumerate(study.documents) if not text]
    if blank:
        hit = sum(any(document in set(blank) for document, _ in judged) for judged in study.graded.values())
        message = f"{len(blank)} of {len(documents)} documents have no text: {named(documents, blank)}"
        effect = f"{hit} of {scored} scored queries have an empty document among their relevant ones"
        note = Note("empty-documents", "warning", "", message, effect, "Fill in the text, or remove them.", len(blank))
        yield study.on_document(note, blank[0])
    silent = [position for position, text in enumerate(study.queries) if not text]
    if silent:
        hit = sum(position in study.graded for position in silent)
        message = f"{len(silent)} of {len(queries)} queries have no text: {named(queries, silent)}"
        effect = f"{hit} of {scored} scored queries ask nothing; their scores are chance"
        note = Note("empty-queries", "warning", "", message, effect, "Fill in the text, or remove them.", len(silent))
        yield study.on_query(note, silent[0])


def one_template(study: Study) -> Findings:
    """At least half of the queries start, or end, with the same three words or more; what BM25 scores without them."""
    words = {query: study.queries[query].split() for query in sorted(study.graded) if study.queries[query]}
    if len(words) < _FEWEST:
        return
    for where, step in (("start", 1), ("end", -1)):
        turned = {query: one[::step] for query, one in words.items()}
        shared = _shared(list(turned.values()))
        if not shared:
            continue
        hit = [query for query, one in turned.items() if one[: len(shared)] == shared]
        message = f'{len(hit)} of {len(words)} scored queries {where} with "{" ".join(shared[::step]):.60}"'
        rest = {query: " ".join(turned[query][len(shared) :][::step]) for query in hit}
        effect = f"{len(hit) / len(words):.1%} of the queries differ in the rest alone; {_without(study, rest)}"
        fix = "Ask as your users do, in words of many people."
        yield study.on_query(Note("one-template", "warning", "", message, effect, fix, len(hit)), hit[0])


def _shared(texts: Sequence[list[str]]) -> list[str]:
    """The longest beginning of three words or more that at least half of the texts have; empty where there is none."""
    best: list[str] = []
    for n in range(_WORDS, max(map(len, texts)) + 1):
        most, count = Counter(tuple(text[:n]) for text in texts if len(text) >= n).most_common(1)[0]
        if count < _SHARE * len(texts):
            break
        best = list(most)
    return best


def _without(study: Study, rest: Mapping[int, str]) -> str:
    """What BM25 scores with the queries as they are, and with some replaced by the `rest` of them."""
    if len(study.documents) > MOST_RANKED:
        return "what BM25 scores without was not computed"
    evalset, of = ranked_part(study)
    kept = [i for i, name in enumerate(study.evalset.queries.ids) if name in set(evalset.queries.ids)]
    texts = [rest.get(i, text) for i, text in enumerate(study.evalset.queries.texts)]
    cut = with_queries(study.evalset, kept, texts)
    try:
        scores = [measured("BM25", one, bm25(one), Direct()).scores[f"ndcg_at_{K}"] for one in (evalset, cut)]
    except Inapplicable as error:
        return f"what BM25 scores without was not computed: {error}"
    return f"BM25 has nDCG@{K} {scores[0]:.4f}, and {scores[1]:.4f} without these words{of}"
