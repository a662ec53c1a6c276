"""Equal and nearly equal texts, found exactly and without comparing all pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from harness.types import Ints

SHINGLE = 3
# More words than this in all, and an even sample of the texts is compared.
MOST_WORDS = 2_000_000


def folded(text: str) -> str:
    """Text as the data doctor compares it: case folded, runs of white space as one space."""
    return " ".join(text.casefold().split())


def near_duplicates(texts: Sequence[str], most_words: int = MOST_WORDS) -> tuple[list[tuple[int, int]], int]:
    """Position pairs (i < j) of unequal texts whose sets of word triples have Jaccard similarity >= 0.8, sorted.

    Also how many texts were compared: all of them, or an even sample where they have more than `most_words` words in
    all. Texts of fewer than three words have no triple and match nothing. Exact by prefix filtering: in two sets that
    alike, the rarest fifths must meet (Bayardo, Ma and Srikant 2007, Scaling up all pairs similarity search).
    """
    words = sum(text.count(" ") + 1 for text in texts)
    chosen = range(0, len(texts), max(1, -(-words // most_words)))
    shingles = _ranked([texts[i] for i in chosen])
    index: dict[int, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for own, i in zip(shingles, chosen, strict=True):
        prefix = own[: len(own) // 5 + 1].tolist()
        near = {place for shingle in prefix for place in index[shingle]}
        pairs += [
            (chosen[place], i) for place in near if _alike(own, shingles[place]) and texts[i] != texts[chosen[place]]
        ]
        for shingle in prefix:
            index[shingle].append(chosen.index(i))
    return sorted(pairs), len(chosen)


def _ranked(texts: Sequence[str]) -> list[Ints]:
    """int32 [s] for each text: its distinct word triples as numbers, those that fewer texts have first, sorted."""
    numbers: dict[str, int] = {}
    rows = [
        np.fromiter({numbers.setdefault(one, len(numbers)) for one in _shingles(text)}, dtype=np.int32)
        for text in texts
    ]
    often = np.bincount(np.concatenate(rows), minlength=len(numbers)) if rows else np.empty(0)
    rank = np.empty(len(numbers), dtype=np.int32)
    rank[np.argsort(often, kind="stable")] = np.arange(len(numbers), dtype=np.int32)
    return [np.sort(rank[row]) for row in rows]


def _shingles(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def _alike(one: Ints, other: Ints) -> bool:
    """Jaccard similarity of at least 4/5, in integers so that no rounding decides."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return 5 * shared >= 4 * (len(one) + len(other) - shared)
