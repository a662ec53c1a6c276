"""What a store lacks is computed in store batches, each of which is on disk before the next begins."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.ragged import chosen
from harness.shelf import Incomplete, Keys, Shelf
from harness.types import Advanced, Event, HarnessError, Said, Vectors

# What a kill can cost: texts and characters between two writes, some ten seconds of a small model on two cores.
_STORE_TEXTS = 1024
_STORE_CHARACTERS = 500_000
_SIGN_CHARACTERS = 100_000  # between two signs of life
Tell = Callable[[Event], None]


class Asked(NamedTuple):
    """Distinct texts that shelves are to hold.

    keys: S16 [n] ascending; at: int64 [n], where each text first stands among those asked for; lengths: int64 [n] in
    characters; needed: bool [n] for each shelf; group: int64 [n], texts that are better computed together share one.
    """

    keys: Keys
    at: NDArray[np.int64]
    lengths: NDArray[np.int64]
    needed: Mapping[Shelf, NDArray[np.bool_]]
    group: NDArray[np.int64]

    def lacks(self, tell: Tell) -> dict[Shelf, NDArray[np.bool_]]:
        """bool [n] for each shelf: what it needs and does not hold."""
        found = {shelf: needed & shelf.missing(self.keys) for shelf, needed in self.needed.items()}
        for shelf in found:
            say_dropped(shelf, tell)
        return found


# Positions among the texts asked for and the shelves that lack them -> vectors for each shelf that gets them.
Make = Callable[[NDArray[np.int64], list[Shelf]], Mapping[Shelf, Vectors]]


def asked_for(
    keys: Keys, lengths: Iterable[int], needed: Mapping[Shelf, NDArray[np.bool_]], groups: Keys | None = None
) -> Asked:
    """Equal keys made one text, which a shelf needs that needs any of them; keys S16 [n], `needed` bool [n].

    groups: S16 [n], what is computed together has one name; None: nothing is.
    """
    distinct, at, which = np.unique(keys, return_index=True, return_inverse=True)
    found = {shelf: np.bincount(which[mask], minlength=len(at)) > 0 for shelf, mask in needed.items()}
    group = np.zeros(len(at), dtype=np.int64) if groups is None else np.unique(groups[at], return_inverse=True)[1]
    return Asked(distinct, at, np.fromiter(lengths, dtype=np.int64, count=len(keys))[at], found, group)


def fill(asked: Asked, small: bool, make: Make, tell: Tell, origin: str) -> None:
    """Have `make` compute what the shelves lack; a shelf that it gives nothing for is left out from then on.

    The same texts are always cut into the same store batches, so what is stored does not depend on where an earlier
    run was killed. Writers that work on the same shelves at once share the work.
    """
    lacks = asked.lacks(tell)
    parts = list(store_batches(asked, small)) if any(lack.any() for lack in lacks.values()) else []
    while parts:
        part = parts.pop(0)
        if any(shelf.joined() for shelf in lacks):
            random.shuffle(parts)
            lacks = {shelf: lack for shelf, lack in asked.lacks(tell).items() if shelf in lacks}
        wanted = [shelf for shelf, lack in lacks.items() if lack[part].any()]
        rows = part[np.any([lacks[shelf][part] for shelf in wanted], axis=0)] if wanted else part[:0]
        if not len(rows):
            continue
        found = make(asked.at[rows], wanted)
        lacks = {shelf: lack for shelf, lack in lacks.items() if shelf in found or shelf not in wanted}
        for shelf, vectors in found.items():
            own = np.flatnonzero(lacks[shelf][rows])
            shelf.append(asked.keys[rows[own]], chosen(vectors, own), origin)
        tell(Advanced(len(rows)))


def store_batches(asked: Asked, small: bool) -> Iterator[NDArray[np.int64]]:
    """Positions of the texts, group by group and the longest first, cut into what is computed between two writes.

    A group is cut only where it is too large by itself. `small` batches are for texts that take much memory or whose
    vectors do not depend on their neighbours.
    """
    order = np.lexsort((-asked.lengths, asked.group))  # texts of one length stay in the order of their keys
    group = asked.group[order]
    before = np.cumsum(asked.lengths[order]) - asked.lengths[order]
    start = 0
    while start < len(order):
        full = int(np.searchsorted(before, before[start] + (_SIGN_CHARACTERS if small else _STORE_CHARACTERS)))
        stop = max(start + 1, min(start + _STORE_TEXTS, full))
        first = int(np.searchsorted(group, group[stop])) if stop < len(order) else stop  # of the group that is cut
        stop = first if first > start else stop
        yield order[start:stop]
        start = stop


def pieces(lengths: Sequence[int]) -> Iterator[slice]:
    """The texts of a store batch in runs of some characters, so that a slow model shows that it works."""
    starts = (np.cumsum(lengths) - lengths) // _SIGN_CHARACTERS  # a small store batch is one piece
    for name in np.unique(starts):
        at = np.flatnonzero(starts == name)
        yield slice(int(at[0]), int(at[-1]) + 1)


def kept(shelf: Shelf, keys: Keys, fills: Iterable[Callable[[], None]], tell: Tell) -> Vectors:
    """What the shelf holds under the keys, after one `fill` after another where something is missing."""
    for once in fills:
        if shelf.missing(keys).any():
            once()
        try:
            return shelf.load(keys)
        except Incomplete:
            continue
        finally:
            say_dropped(shelf, tell)
    raise HarnessError(f"vectors under {shelf.folder} vanish while they are read; is another process pruning them?")


def say_dropped(shelf: Shelf, tell: Tell) -> None:
    """Name the damaged shards that were found."""
    for name in shelf.dropped:
        tell(Said(f"store: {name} was damaged; its texts are encoded again"))
    shelf.dropped.clear()
