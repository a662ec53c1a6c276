"""Equal and nearly equal texts, found exactly and without comparing all pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

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
    shingles = {i: _shingles(texts[i]) for i in chosen}
    often = Counter(shingle for own in shingles.values() for shingle in own)
    index: dict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for i, own in shingles.items():
        prefix = sorted(own, key=lambda s: (often[s], s))[: len(own) // 5 + 1]
        near = {j for shingle in prefix for j in index[shingle]}
        pairs += [(j, i) for j in near if texts[i] != texts[j] and _alike(own, shingles[j])]
        for shingle in prefix:
            index[shingle].append(i)
    return sorted(pairs), len(chosen)


def _shingles(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def _alike(one: set[str], other: set[str]) -> bool:
    """Jaccard similarity of at least 4/5, in integers so that no rounding decides."""
    shared = len(one & other)
    return 5 * shared >= 4 * (len(one) + len(other) - shared)
