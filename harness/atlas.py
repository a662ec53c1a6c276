"""Maps of the embedding spaces of a sweep: which models get one, from stored vectors alone, kept as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from harness.chart import DOCUMENTS, QUERIES, chart, part_of
from harness.forward import StoredVectors
from harness.parts import digest, identity
from harness.plan import Variant
from harness.protocols import Need
from harness.run import Run
from harness.sampling import only
from harness.survey import Sample, surveyed
from harness.timing import all_versions
from harness.types import NO_QRELS, EvalSet, Record
from harness.wording import called

MODELS = 6
_DRAWING = 1  # raised whenever the same vectors would give another record
_MANY = {
    "vectors": "has several vectors a text, which no point stands for",
    "sparse": "gives weights of words, which are no vector of one length",
}


class Space(NamedTuple):
    """One encoder and pooling on the eval sets of a sweep: its name, its need on each, the candidates that use it."""

    name: str
    needs: Mapping[str, Need]
    candidates: tuple[str, ...]


class _Claim(NamedTuple):
    """A candidate's use of a space: how good the candidate is, and how plainly its name is that of the space."""

    rank: tuple[int, float]
    way: tuple[int, int, str]
    space: Space


class Atlas:
    """The maps that a sweep asks for with `space=sample`; none otherwise.

    Every encoder and pooling that gives one vector a text is a space, at most the six whose candidates score best. What
    is mapped is what the store holds, before reduction and quantization; nothing is encoded for it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.left_out: dict[str, str] = {}

    def entries(self) -> list[dict[str, Any]]:
        """What the manifest says of each space, the best first: name, candidates, its record or why it has none."""
        if self.run.config["space"] == "none":
            return []
        found = [
            {"name": space.name, "candidates": list(space.candidates), "key": key, "reason": ""}
            for key, space in self._wanted.items()
        ]
        left = [{"name": n, "candidates": [], "key": "", "reason": why} for n, why in sorted(self.left_out.items())]
        return found + left

    def draw(self) -> int:
        """Make the records that are missing; how many."""
        if self.run.config["space"] == "none":
            return 0
        missing = {key: space for key, space in self._wanted.items() if self.run.records.get(key) is None}
        for key, space in missing.items():
            self.run.records.put(dataclasses.replace(self._record(space), key=key))
            self.run.watch.say(f"mapped the space of {space.name}")
        return len(missing)

    @cached_property
    def _wanted(self) -> dict[str, Space]:
        found = {self._key(space): space for space in self._spaces()[:MODELS]}
        return {key: space for key, space in found.items() if self._drawable(key, space)}

    def _drawable(self, key: str, space: Space) -> bool:
        """Whether there is a record, or every vector that it needs."""
        if self.run.records.get(key) is not None:
            return True
        lost = [task for task, need in space.needs.items() if self._lacks(need, self.samples[task][0])]
        if lost:
            self.left_out[space.name] = f"its vectors of {', '.join(lost)} are no longer stored"
        return not lost

    def _spaces(self) -> list[Space]:
        """Every space there is, by the score of its best candidate; those on more eval sets come first."""
        claims: dict[str, list[_Claim]] = {}
        for members in self._by_candidate().values():
            for claim in self._claims(members):
                ways = sorted([task, *_identities(need)] for task, need in claim.space.needs.items())
                claims.setdefault(digest(ways), []).append(claim)
        ranked = sorted(claims.values(), key=lambda own: (min(c.rank for c in own), min(c.way for c in own)))
        spaces = [_joined(own) for own in ranked]
        for space in spaces:
            self.left_out.pop(space.name, None)
        self.left_out |= {s.name: f"only the {MODELS} best are mapped" for s in spaces[MODELS:]}
        return spaces

    def _claims(self, members: Sequence[Variant]) -> list[_Claim]:
        """The spaces of one candidate, by its variants: one for each of its models that gives single vectors."""
        by_task = {variant.task: list(variant.retriever.needs()) for variant in members}
        count = max(map(len, by_task.values()))
        if not count:
            self.left_out[_name(members[0])] = "has no vectors"
        found = []
        for place in range(count):
            needs = {task: needs[place] for task, needs in by_task.items() if place < len(needs)}
            name = _name(members[0]) + (f" (model {place + 1})" if place else "")
            why = next(filter(None, map(_unfit, needs.values())), "")
            if why:
                self.left_out[name] = why
            else:
                rank, way = (-len(needs), -self._score(members)), (place, count, name)
                found.append(_Claim(rank, way, Space(name, needs, (members[0].candidate_id,))))
        return found

    def _by_candidate(self) -> dict[str, list[Variant]]:
        found: dict[str, list[Variant]] = {}
        for variant in self.run.plan.variants:
            known = self.run.records.get(self.run.key(variant))
            if known is not None and known.status == "ok":
                found.setdefault(variant.candidate_id, []).append(variant)
        return found

    def _score(self, members: Sequence[Variant]) -> float:
        """Mean main score over the candidate's eval sets."""
        by_task = {v.task: self.run.records.get(self.run.key(v)) for v in members}
        return float(np.mean([record.values["main_score"] for record in by_task.values() if record is not None]))

    def _key(self, space: Space) -> str:
        run = self.run
        device = run.plan.variants[0].device.partition(":")[0]
        ways = [
            [task, *_identities(need), run.tasks[task].evalset.sha256] for task, need in sorted(space.needs.items())
        ]
        runtime = [device, all_versions(), run.config["store_dtype"]]
        return digest(["space", ways, runtime, DOCUMENTS, QUERIES, _DRAWING])

    @cached_property
    def samples(self) -> dict[str, tuple[EvalSet, Sample]]:
        """For each eval set its sampled texts, as a set without judgements, and which they are."""
        return {name: _sampled(task.evalset) for name, task in self.run.tasks.items()}

    def _source(self, need: Need) -> StoredVectors:
        ground = self.run.ground
        return StoredVectors(ground.store, ground.devices[0], [need], self.run.hear, self.run.config["store_dtype"])

    def _lacks(self, need: Need, texts: EvalSet) -> bool:
        return self._source(need).missing(need.encoder, texts).texts > 0

    def _record(self, space: Space) -> Record:
        parts = []
        for task, need in space.needs.items():
            texts, sample = self.samples[task]
            source = self._source(need)
            sides = [
                source.vectors(need.encoder, need.pooling, role, side.texts).rows
                for role, side in texts.sides
                if len(side)
            ]
            parts.append(part_of(task, self.run.tasks[task].evalset, sample, np.concatenate(sides)))
        return chart(space.name, parts)


def _sampled(evalset: EvalSet) -> tuple[EvalSet, Sample]:
    sample = surveyed(evalset, DOCUMENTS, QUERIES)
    documents, queries = only(evalset.documents, sample.documents), only(evalset.queries, sample.queries)
    return dataclasses.replace(evalset, documents=documents, queries=queries, qrels=NO_QRELS, targets={}), sample


def _joined(claims: Sequence[_Claim]) -> Space:
    """One space that several candidates share, under the plainest one's name."""
    own = [claim.space for claim in sorted(claims, key=lambda claim: claim.way)]
    return own[0]._replace(candidates=tuple(dict.fromkeys(c for space in own for c in space.candidates)))


def _unfit(need: Need) -> str:
    """Why a need is no space of single vectors; empty where it is."""
    gives = need.encoder.traits().gives
    return _MANY.get(gives, "") or ("its documents are cut into passages" if need.chunking else "")


def _identities(need: Need) -> list[str]:
    return [identity(need.encoder), identity(need.pooling)]


def _name(variant: Variant) -> str:
    """The model with its pooling and prompt."""
    labels = variant.labels
    return called({key: labels[key] for key in ("model", "pooling", "prompt")} | {"dim": "-", "quantization": "-"})
