"""A quick look: what models make of a few texts, before there is an eval set. Nothing is stored."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from harness.codes import compared, comparison_of, operand
from harness.forward import PART_ERRORS, resolve_devices
from harness.launch import compose, option_names, yamls
from harness.parts import name_of
from harness.plan import Variant, make_plan
from harness.protocols import OpenEncoder
from harness.ranking import check_finite
from harness.types import Encoded, Floats, HarnessError, Inapplicable, Role, first_line

# What of `harness run` shapes a model's float vectors.
WORDS = (
    "model", "prompt", "instruction", "pooling", "reduction", "dim", "similarity", "dtype", "device", "batch_size",
    "max_cost", "trusted",
)  # fmt: skip
_WORD = re.compile(r"[+~]*(?P<group>\w+)[\w./@-]*=.*|~\w[\w.]*", re.DOTALL)
_EXAMPLE = 'harness similarity model=wordllama -- "first text" "second text"'
_NO_VECTORS = "a reranker scores pairs of texts and gives no vectors"
_NOT_ONE = {
    "vectors": "gives a vector for each token, which MaxSim compares: no one vector a text to look at",
    "sparse": "gives weights of terms instead of a dense vector",
}


class Look(NamedTuple):
    """What one model makes of the texts.

    `shape`: what differs from the model's own way; `roles`: of each text; `prompts`: of both roles. `tokens`: as
    encoded, prompt included; `full_tokens`: before the cut at the model's limit; all 0 where they are not known.
    `matrix[i][j]`: similarity of texts i and j, higher is nearer (distances are negated), None where a zero vector has
    none; empty for one text. Times in milliseconds: loading the model, which the first of a library imports as well,
    and the first call that encodes all texts.
    """

    model: str
    shape: tuple[str, ...]
    similarity: str
    roles: list[Role]
    prompts: dict[Role, str]
    dimensions: int
    tokens: list[int]
    full_tokens: list[int]
    load_ms: float
    encode_ms: float
    matrix: list[list[float | None]]
    warnings: tuple[str, ...]


class Absent(NamedTuple):
    """A model that is not shown, and why; `failed` where it should have been."""

    model: str
    reason: str
    failed: bool


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options before `--` and the texts behind it; a HarnessError where either is missing or out of place."""
    options = list(words[: words.index("--")] if "--" in words else words)
    texts = list(words[len(options) + 1 :])
    for word in options:
        if not word.startswith("-") and not _WORD.fullmatch(word):
            raise HarnessError(f"{word!r} reads as a text; texts stand behind --, as in {_EXAMPLE}")
    if not texts:
        raise HarnessError(f"no texts: write them behind --, as in {_EXAMPLE}")
    return options, texts


def look(
    words: Sequence[str], texts: Sequence[str], query: bool = False, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[Look], list[Absent]]:
    """What every model that `words` name makes of `texts`; all are documents, or the first a query.

    A mistake in the words is a HarnessError, as is a single model that cannot be built; of several, those that cannot
    are absent. `clock`: seconds.
    """
    options, absent = _without_rerankers([_allowed(word) for word in words])
    plan = make_plan(compose(options)) if options is not None else None
    found: list[Look] = []
    for variant in plan.variants if plan else ():
        name = str(variant.labels["model"])
        try:
            found.append(_looked(variant, texts, query, clock))
        except Inapplicable as reason:
            absent.append(Absent(name, str(reason), False))
        except PART_ERRORS as error:
            kind = "" if isinstance(error, HarnessError) else f"{type(error).__name__}: "
            absent.append(Absent(name, kind + first_line(error), True))
    absent += [Absent(str(f.labels["model"]), f.reason, True) for f in (plan.failures if plan else ())]
    if not found and not any(one.failed for one in absent):
        raise HarnessError("; ".join(f"{one.model}: {one.reason}" for one in absent))
    return found, absent


def nearest(one: Look, query: bool, most: int) -> list[tuple[int, int, float]]:
    """The pairs of different texts (positions) with the highest similarity, best first; with `query`, of the first."""
    pairs = [
        (i, j, value)
        for i, row in enumerate(one.matrix[: 1 if query else None])
        for j, value in enumerate(row)
        if i < j and value is not None
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:most]


def notes_on(texts: Sequence[str]) -> list[str]:
    """What is to be said of the texts themselves: empty ones, and those that are the same."""
    first: dict[str, int] = {}
    notes = []
    for number, text in enumerate(texts, 1):
        if not text.strip():
            notes.append(f"text {number} is empty: its vector says nothing")
        elif first.setdefault(text, number) != number:
            notes.append(f"texts {first[text]} and {number} are the same")
    return notes


def _allowed(word: str) -> str:
    found = _WORD.fullmatch(word)
    group = found["group"] if found else None
    if group and group not in WORDS and group in option_names():
        raise HarnessError(
            f"{group}= has no place in similarity, which compares float vectors of whole texts. It takes "
            f"{', '.join(WORDS)}; for all else: harness run"
        )
    return word


def _without_rerankers(words: Sequence[str]) -> tuple[list[str] | None, list[Absent]]:
    """The words without models that are rerankers; None where no other model was named."""
    only = set(yamls("reranker")) - set(yamls("model"))
    kept, absent = list(words), []
    for place, word in enumerate(words):
        key, _, value = word.partition("=")
        if key == "model" and (named := [name for name in value.split(",") if name.strip() in only]):
            absent += [Absent(name.strip(), _NO_VECTORS, False) for name in named]
            others = [name for name in value.split(",") if name not in named]
            if not others:
                return None, absent
            kept[place] = f"model={','.join(others)}"
    return kept, absent


def _looked(variant: Variant, texts: Sequence[str], query: bool, clock: Callable[[], float]) -> Look:
    part: Any = variant.retriever
    if not part.needs():
        raise Inapplicable(f"{name_of(part)} compares words and gives no vectors")
    need = part.needs()[0]
    traits = need.encoder.traits()
    if traits.gives in _NOT_ONE:
        raise Inapplicable(_NOT_ONE[traits.gives])
    if name_of(part) != "dense":
        raise Inapplicable(f"{name_of(part)} is made of several models; name these one by one")
    if name_of(part.reduction) != "truncate":
        raise Inapplicable(f"reduction {name_of(part.reduction)} is fitted on a corpus; a few texts are none. Use dim=")
    roles: list[Role] = ["query" if query and i == 0 else "document" for i in range(len(texts))]
    device = resolve_devices(variant.device)[0]
    begun = clock()
    model = need.encoder.open(device)
    loaded = clock()
    encoded = _encoded(model, texts, roles, variant)
    ended = clock()
    similarity = traits.similarity if part.similarity == "native" else part.similarity
    check_finite(encoded.vectors[0], "text")
    rows = operand(encoded.vectors[0].copy(), part.reduction.fit(encoded.vectors[0]), similarity)
    return Look(
        str(variant.labels["model"]), _shape(variant), similarity, roles,
        {role: need.encoder.prompt(role) for role in get_args(Role)},
        rows.shape[1], encoded.tokens.tolist(), encoded.full_tokens.tolist(), 1000 * (loaded - begun),
        1000 * (ended - loaded), _matrix(rows, similarity) if len(texts) > 1 else [],
        tuple(dict.fromkeys((*traits.warnings, *variant.cautions, *_warnings(part, encoded, rows)))),
    )  # fmt: skip


def _encoded(model: OpenEncoder, texts: Sequence[str], roles: Sequence[Role], variant: Variant) -> Encoded:
    """All texts in their order, one call for each role; the queries come first."""
    (need,) = variant.retriever.needs()
    parts = []
    for role in dict.fromkeys(roles):
        same = [text for text, own in zip(texts, roles, strict=True) if own == role]
        parts.append(model.encode(same, role, [need.pooling], variant.batch_size))
    rows, tokens, full = (np.concatenate(side) for side in zip(*((p.vectors[0], *p[1:3]) for p in parts), strict=True))
    return Encoded((rows,), tokens, full)


def _matrix(rows: Floats, similarity: Any) -> list[list[float | None]]:
    """float64 similarities as the sweep computes them; a zero row has no angle to anything."""
    lost = ~rows.any(axis=1) & (similarity == "cosine")
    scores = [compared(row, rows, comparison_of(similarity)) for row in rows]
    return [
        [None if lost[i] or lost[j] else 0.0 + value for j, value in enumerate(row.tolist())]
        for i, row in enumerate(scores)
    ]


def _shape(variant: Variant) -> tuple[str, ...]:
    usual = {"pooling": "native", "dim": "full", "prompt": "native"}
    return tuple(f"{k} {variant.labels[k]}" for k, v in usual.items() if variant.labels.get(k, v) != v)


def _warnings(part: Any, encoded: Encoded, rows: Floats) -> list[str]:
    traits, pooling = part.encoder.traits(), name_of(part.pooling)
    found = []
    if not part.pooling.native and pooling != traits.pooling:
        found.append(f"pooling {pooling} overrides the model's own ({traits.pooling or 'none'})")
    if part.similarity not in ("native", traits.similarity):
        found.append(f"similarity {part.similarity} differs from the model's own ({traits.similarity})")
    for number, (tokens, full) in enumerate(zip(encoded.tokens, encoded.full_tokens, strict=True), 1):
        if full > tokens:
            found.append(f"text {number} is cut: {tokens} of its {full} tokens are read")
    found += [f"text {i + 1} has a zero vector: it is like nothing" for i in np.flatnonzero(~rows.any(axis=1))]
    return found


def as_json(looks: Sequence[Look], absent: Sequence[Absent], texts: Sequence[str]) -> dict[str, Any]:
    """Everything as plain values: what `--json` prints."""
    return {
        "texts": list(texts),
        "notes": notes_on(texts),
        "models": [one._asdict() | {k: round(getattr(one, k), 3) for k in ("load_ms", "encode_ms")} for one in looks],
        "absent": [one._asdict() for one in absent],
        "comparable": len(looks) < 2,
    }
