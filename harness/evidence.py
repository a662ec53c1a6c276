"""Whether the evidence carries a decision: the status words, and labels that favour one engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.candidates import Candidate
from harness.policy import Policy
from harness.ruling import Draws, Verdict, ruled
from harness.stats.scores import means
from harness.types import Doubles

DECIDED, INSUFFICIENT, NOTHING, BIASED, INCOMPLETE, SAMPLED = (
    "decided", "insufficient evidence", "nothing meets the limits", "labels favour one engine", "incomplete",
    "sub-sampled",
)  # fmt: skip
WITHIN = "labels-within-one-engine"  # as harness.checks.engines names it
_GAP = 0.10
_IRRELEVANT = 0.05  # of ten documents, judged and not relevant; labels with fewer hold what is relevant alone
_OF_ONE = 0.05  # the same as a part of the larger share, where labels are known to come from one engine
_ONE_ENGINE = ("bm25-top10",)

Holes = dict[str, Any]
Mask = NDArray[np.bool_]


class Evidence:
    """The resamples of candidates, and what is known of the labels behind their scores.

    evalsets: those of the manifest that the draws are over, in their order; without any, nothing is asked of labels.
    """

    def __init__(self, draws: Draws, evalsets: Mapping[str, Any]) -> None:
        members = draws.field.members
        self.draws = draws
        self.evalsets = evalsets
        self._judged = _facts(members, evalsets, "judged_at_10")
        self._irrelevant = self._judged - _facts(members, evalsets, "relevant_at_10")
        self._of_one = np.array([_of_one_engine(about) for about in evalsets.values()], dtype=bool)
        self._known: dict[tuple[str, ...], Draws] = {}

    @cached_property
    def scores(self) -> Doubles:
        """float64 [candidates]: the weighted mean over all sets."""
        return means(self.draws.field.sets, self.draws.field.weights)

    def status(self, kept: Sequence[int], verdict: Verdict, policy: Policy) -> tuple[str, Holes]:
        """Decided, insufficient evidence or labels that favour one engine; and of the last what the labels do.

        kept: places of the candidates that meet the limits; verdict: over these. In question are those proven close,
        those of which nothing is proven either way that are cheaper than the reference, and those whose holes alone
        may have put them out (`_hidden`).
        """
        rivals = verdict.proven | self._open(kept, verdict, policy) | self._hidden(kept, verdict, policy)
        if self.uneven(rivals, kept).any():
            return BIASED, self._both_scorings(kept, verdict, policy) | self._ends(rivals, kept)
        return (INSUFFICIENT if self.insufficient(kept, verdict, policy) else DECIDED), {}

    def insufficient(self, kept: Sequence[int], verdict: Verdict, policy: Policy) -> bool:
        """Whether items are too few to compare any two, or show nothing that `unproven` asks for."""
        if len(kept) > 1 and not self.draws.field.enough:
            return True
        return bool(unproven(verdict.proven, self._open(kept, verdict, policy), verdict.reference).any())

    def condensed(self, kept: Sequence[int]) -> Draws | None:
        """The first of the resamples, over nDCG@10 of judged documents alone; None where these score the same by it.

        An eval set has it where all of these candidates do, and its own scores else.
        """
        field, rows = self.draws.field, list(kept)
        tasks = tuple(t for t in self.evalsets if all(t in field.members[i].condensed for i in rows))
        if tasks not in self._known:
            sets = tuple(
                np.stack([member.condensed.get(task, row) for member, row in zip(field.members, scores, strict=True)])
                if task in tasks
                else scores
                for task, scores in zip(self.evalsets, field.sets, strict=True)
            )
            self._known[tasks] = self.draws.rough(field._replace(sets=sets))
        found = self._known[tasks]
        same = all(np.array_equal(a[rows], b[rows]) for a, b in zip(found.field.sets, field.sets, strict=True))
        return None if same else found

    def uneven(self, rivals: Mask, kept: Sequence[int]) -> Mask:
        """Whether the shares of judged documents in the rivals' first ten differ too much: bool [..., sets].

        They do by more than 0.10; and of labels from one engine, which name what it found, by more than 0.05 of the
        larger. rivals: bool [..., kept].
        """
        judged = self._judged[:, list(kept)]
        known = rivals[..., None, :] & ~np.isnan(judged)
        low, high = np.where(known, judged, np.inf).min(axis=-1), np.where(known, judged, -np.inf).max(axis=-1)
        found: Mask = (high - low > _GAP) | (self._of_one & (high - low > _OF_ONE * high))
        return found

    def _open(self, kept: Sequence[int], verdict: Verdict, policy: Policy) -> Mask:
        costs = self.draws.field.costs[list(kept)]
        cheaper: Mask = costs < costs[verdict.reference]
        return (verdict.bounds.high > -policy.margin) & ~verdict.proven & ~verdict.lost & cheaper

    def _hidden(self, kept: Sequence[int], verdict: Verdict, policy: Policy) -> Mask:
        """Those that score worse as labelled, but not when documents without a judgement are left out; bool [kept].

        With holes a score is a lower bound. In question is who has more holes than the reference, and, over judged
        documents alone, may be better than it, or close enough and cheaper than the pick.
        """
        doubted = self._fewer_judged(kept, verdict.reference)
        condensed = self.condensed(kept) if doubted.any() else None
        if condensed is None:
            return np.zeros(len(kept), dtype=bool)
        field = self.draws.field
        named = replace(policy, reference=field.members[kept[verdict.reference]].id)
        high, costs = ruled(condensed, kept, named).bounds.high, field.costs[list(kept)]
        found: Mask = doubted & ((high > 0) | ((costs < costs[verdict.pick]) & (high > -policy.margin)))
        return found

    def _fewer_judged(self, kept: Sequence[int], reference: int) -> Mask:
        """Who has fewer judged than the reference where the two differ most, of the sets where that is much; [kept].

        Labels that name relevant documents alone say nothing of holes, since a worse candidate always has fewer of
        those judged: they count where one engine is known to have found them.
        """
        if not self.evalsets:
            return np.zeros(len(kept), dtype=bool)
        judged, irrelevant = self._judged[:, list(kept)], self._irrelevant[:, list(kept)]
        gap = judged[:, [reference]] - judged
        larger, beside = (np.where(gap > 0, each[:, [reference]], each) for each in (judged, irrelevant))
        much = (np.abs(gap) > _GAP) & (beside >= _IRRELEVANT)
        much |= self._of_one[:, None] & (np.abs(gap) > _OF_ONE * larger)
        widest = np.where(much, np.abs(gap), 0.0).argmax(axis=0)
        found: Mask = much.any(axis=0) & (gap[widest, np.arange(len(kept))] > 0)
        return found

    def _both_scorings(self, kept: Sequence[int], verdict: Verdict, policy: Policy) -> Holes:
        """What is picked as scored and over judged documents alone; same: whether both decide, and for the same one."""
        labels = [self.draws.field.members[i].label for i in kept]
        condensed = self.condensed(kept)
        if condensed is None:
            return {"as_scored": labels[verdict.pick], "condensed": None, "same": False}
        again = ruled(condensed, kept, policy)
        short = any(self.insufficient(kept, each, policy) for each in (verdict, again))
        same = again.pick == verdict.pick and not short
        return {"as_scored": labels[verdict.pick], "condensed": labels[again.pick], "same": same}

    def _ends(self, rivals: Mask, kept: Sequence[int]) -> Holes:
        """The two rivals whose shares of judged documents differ most, on the set where that is too much."""
        places = [i for i, there in zip(kept, rivals, strict=True) if there]
        judged = self._judged[:, places]
        gaps = np.where(self.uneven(rivals, kept), np.nanmax(judged, axis=1) - np.nanmin(judged, axis=1), -1.0)
        row = judged[int(np.nanargmax(gaps))]
        low, high = int(np.nanargmin(row)), int(np.nanargmax(row))
        labels = [self.draws.field.members[i].label for i in places]
        ends = {"low": float(row[low]), "high": float(row[high])}
        return ends | {"low_label": labels[low], "high_label": labels[high]}


def unproven(proven: Mask, unsettled: Mask, reference: int) -> Mask:
    """Whether nothing is proven; or nothing but the reference, while what is cheaper is not settled: bool [...].

    proven, unsettled: bool [..., candidates].
    """
    others = np.delete(proven, reference, axis=-1).any(axis=-1)
    return np.asarray(~proven.any(axis=-1) | (unsettled.any(axis=-1) & ~others))


def _facts(members: Sequence[Candidate], evalsets: Mapping[str, Any], name: str) -> Doubles:
    """float64 [sets, candidates]; nan where not known."""
    found = [[member.facts[name].get(task) for member in members] for task in evalsets]
    return np.array(found, dtype=np.float64).reshape(len(evalsets), len(members))


def _of_one_engine(about: Mapping[str, Any]) -> bool:
    """Whether the manifest says so, or the data doctor found all that is judged in the first ten of one engine."""
    return about["label_source"] in _ONE_ENGINE or any(n["code"] == WITHIN for n in about.get("notes", ()))
