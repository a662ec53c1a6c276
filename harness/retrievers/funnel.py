"""A shortlist by one retriever, ranked by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.pipelines import TwoStage, check_positive, names_of
from harness.protocols import Need, Retriever, VectorSource
from harness.ranking import id_order
from harness.types import EvalSet


@dataclass(frozen=True)
class Funnel:
    """The first `depth` documents of `first`, ordered by the scores that `second` gives them; those behind keep the
    order of `first`.

    Short Matryoshka vectors before full ones (Kusupati et al. 2022, arXiv:2205.13147, "adaptive retrieval", here in
    two tiers), or MaxSim over a shortlist of BM25. Both stages are deployed, so the bytes of both count.
    """

    first: Retriever
    second: Retriever
    depth: int = 100

    def needs(self) -> Sequence[Need]:
        """Those of both stages."""
        return (*self.first.needs(), *self.second.needs())

    def prepare(self, evalset: EvalSet, source: VectorSource) -> TwoStage:
        """Prepare both stages; a `second` that cannot score documents by themselves is Inapplicable once it ranks."""
        check_positive("funnel depth", self.depth)
        stages = (self.first, self.second)
        first, second = (stage.prepare(evalset, source) for stage in stages)
        return TwoStage(first, second, self.depth, names_of(stages), id_order(evalset.documents.ids))
