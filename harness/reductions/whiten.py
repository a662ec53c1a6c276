"""Principal components of equal variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.projection import Projection, principal
from harness.types import Floats


@dataclass(frozen=True)
class Whiten:
    """PCA whose `dim` components are scaled to variance 1 (scikit-learn's `whiten=True`; for texts arXiv:2103.15316).

    Fitted as `pca` is. What the documents hardly vary in counts as much as what tells them apart; `variance_kept`
    is the share before the scaling.
    """

    dim: int | Literal["full"] = "full"

    def fit(self, documents: Floats) -> Projection:
        """Components and scales of float32 [n, d] documents.

        Inapplicable where `dim` is over d or n, or over the number of directions in which the documents vary at all.
        """
        return principal(documents, self.dim, whiten=True)
