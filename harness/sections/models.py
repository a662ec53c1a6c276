"""What is known of each model: licence, languages, size, training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.page import fill
from harness.report import Report


@dataclass(frozen=True)
class Models:
    """One line a model or pipeline, from the cards that limits are checked against."""

    position: ClassVar[int] = 65
    nav: ClassVar[str] = "Models"

    def render(self, report: Report) -> str:
        """The section; empty where nothing could be planned."""
        cards: dict[tuple[str, str], Mapping[str, Any]] = {}
        for variant in report.manifest["variants"]:
            name = variant["model"], _pipeline(variant)
            cards.setdefault(name, variant["card"])
        lines = [_line(*name, card) for name, card in sorted(cards.items())]
        return fill("models.html", lines=lines) if lines else ""


def _pipeline(variant: Mapping[str, Any]) -> str:
    """The retriever where it holds further models."""
    return str(variant["retriever"]) if "(" in str(variant["retriever"]) else ""


def _line(model: str, pipeline: str, card: Mapping[str, Any]) -> dict[str, Any]:
    lists = {key: _list(card.get(key)) for key in ("languages", "matryoshka", "training_sets")}
    return {"model": model, "pipeline": pipeline, **card, **lists}


def _list(values: Any) -> str | None:
    """None where it is not known, "none" where it is known to be empty."""
    if values is None:
        return None
    return ", ".join(map(str, values)) or "none"
