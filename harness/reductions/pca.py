"""Principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.projection import Projection, principal
from harness.types import Floats


@dataclass(frozen=True)
class Pca:
    """The `dim` directions in which the documents vary most, centred on their mean (scikit-learn's PCA).

    Fitted on at most 65,536 documents, drawn with a fixed seed where there are more; queries are centred on the mean
    of the documents. `dim="full"` turns and centres without dropping anything. Vectors are not normalised.
    """

    dim: int | Literal["full"] = "full"

    def fit(self, documents: Floats) -> Projection:
        """Components of float32 [n, d] documents; Inapplicable where `dim` is over d or n, or all are equal."""
        return principal(documents, self.dim, whiten=False)
