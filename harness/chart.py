"""What the record of one embedding space holds, measured on a sample of each eval set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.geometry import Separation, kept, laid_out, separation, shares, sound, unit
from harness.sampling import drawn
from harness.survey import Sample, fewer, grouped, pairs_of
from harness.types import Doubles, EvalSet, Floats, Inapplicable, Record

DOCUMENTS, QUERIES = 400, 200  # of an eval set, and of a map


class Part(NamedTuple):
    """One eval set in one space: the sound rows of its sample, documents first, and where in the sample they stand."""

    task: str
    evalset: EvalSet
    sample: Sample
    vectors: Floats
    rows: NDArray[np.int64]


def part_of(task: str, evalset: EvalSet, sample: Sample, vectors: Floats) -> Part:
    """The rows of a sample that have a direction, from float32 [n, d] vectors, documents first."""
    rows = np.flatnonzero(sound(vectors))
    return Part(task, evalset, sample, vectors[rows], rows)


def chart(name: str, parts: Sequence[Part]) -> Record:
    """The record of one space, without its key.

    values: `sets`, for each eval set means of cosines, overlap and AUC (None where there are no such pairs), counts of
    texts and of those left out; `groups`, names of colours; `no_map`, why there is none. arrays: `map` float32 [n, 2]
    with `group` and `query` of each point; `documents`, `random`, `related` float64 [sets, 100], shares of cosines by
    bin; `dims`, `prefix` and `pca` as `geometry.kept` has them, of all the map's documents.
    """
    figures = [_compared(part) for part in parts]
    points = [_points(part, len(parts)) for part in parts]
    groups, colours = _coloured(parts, points)
    vectors = np.concatenate([part.vectors[at] for part, at in zip(parts, points, strict=True)])
    asked = np.concatenate([_is_query(part)[at] for part, at in zip(parts, points, strict=True)])
    fewer_dims = kept(vectors[~asked])
    arrays: dict[str, NDArray[Any]] = {
        "group": colours.astype(np.int8), "query": asked,
        "dims": fewer_dims.dims, "prefix": fewer_dims.prefix, "pca": fewer_dims.pca,
        **{kind: np.stack([own[kind] for _, own in figures]) for kind in ("documents", "random", "related")},
    }  # fmt: skip
    why = ""
    try:
        arrays["map"] = laid_out(unit(vectors))
    except Inapplicable as error:
        why = str(error)
    sets = {part.task: values for part, (values, _) in zip(parts, figures, strict=True)}
    values = {"sets": sets, "groups": groups, "no_map": why}
    return Record("", "space", "ok", {"kind": "space", "model": name}, values, arrays)


def _compared(part: Part) -> tuple[dict[str, Any], dict[str, Doubles]]:
    """Numbers and histograms of one eval set."""
    cosines = {kind: _cosines(part, pairs) for kind, pairs in pairs_of(part.evalset, part.sample)._asdict().items()}
    apart: Separation | None = separation(cosines["related"], cosines["random"])
    lost = len(part.sample) - len(part.rows)
    values = {
        "documents": len(part.sample.documents), "queries": len(part.sample.queries), "without_direction": lost,
        "anisotropy": float(cosines["documents"].mean()) if len(cosines["documents"]) else None,
        "related_pairs": len(cosines["related"]), "random_pairs": len(cosines["random"]),
        **(apart._asdict() if apart else dict.fromkeys(Separation._fields)),
    }  # fmt: skip
    return values, {kind: shares(found) for kind, found in cosines.items()}


def _cosines(part: Part, pairs: NDArray[np.int64]) -> Doubles:
    """Of each pair whose two rows have a direction."""
    place = np.full(len(part.sample), -1)
    place[part.rows] = np.arange(len(part.rows))
    at = place[pairs]
    at = at[(at >= 0).all(axis=1)]
    directions = unit(part.vectors)
    found: Doubles = (directions @ directions.T)[at[:, 0], at[:, 1]]
    return found


def _points(part: Part, sets: int) -> NDArray[np.int64]:
    """The rows of a part's vectors that a map of so many sets shows: its share of the points, at least one a side."""
    sides = (~_is_query(part), DOCUMENTS), (_is_query(part), QUERIES)
    ids = _ids(part)
    chosen = [drawn(ids, np.flatnonzero(side), "point")[: max(1, most // sets)] for side, most in sides]
    return np.sort(np.concatenate(chosen))


def _ids(part: Part) -> list[str]:
    sides = ((part.sample.documents, part.evalset.documents), (part.sample.queries, part.evalset.queries))
    everything = [texts.ids[i] for positions, texts in sides for i in positions.tolist()]
    return [everything[row] for row in part.rows.tolist()]


def _is_query(part: Part) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = part.rows >= len(part.sample.documents)
    return found


def _coloured(parts: Sequence[Part], points: Sequence[NDArray[np.int64]]) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups, and the group of each point: eval sets where there are several, else what the type knows."""
    if len(parts) == 1:
        names, groups = grouped(parts[0].evalset, parts[0].sample)
        return names, groups[parts[0].rows[points[0]]]
    return fewer([part.task for part, at in zip(parts, points, strict=True) for _ in at])
