"""The rule again on a part of the items, and its pick measured on those it never saw."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.evidence import Evidence
from harness.policy import Policy
from harness.ruling import Field, Verdict, allowing, drawn_for, ruled
from harness.stats.holdout import held_difference, split
from harness.stats.scores import means

SHARE = 0.30
_MORE_THAN = 400
_EACH = 2  # items of a set, for a spread
_DRAWS = 500
_UNSURE = ", for want of evidence of anything cheaper"


def held_out(field: Field, verdict: Verdict, policy: Policy) -> dict[str, Any]:
    """What 30 % of the items say of the pick that the rule makes on the other 70 %; empty with 400 items or fewer.

    The pick's own score is optimistic after a look at many candidates; the decision itself still rests on all items,
    and this only tells how far that goes. `difference` and `interval` (of one comparison) are of that pick less
    `against`: its reference there, or where it is the reference the next best; `same`: whether all items pick it too.
    Where the part is insufficient evidence `label` says so of the reference, which is then left, and `same` is false.
    Empty too where a set is too small to be parted, there is nothing to compare with, or nothing is proven on the part.
    """
    if sum(field.scored) <= _MORE_THAN or len(field.members) < 2:
        return {}
    if min(scores.shape[1] for scores in field.sets) * SHARE < _EACH:
        return {}
    kept, held = split(field.sets, SHARE, policy.seed)
    part = field._replace(sets=kept)
    if not part.enough:
        return {}
    every, drawn = range(len(part.members)), drawn_for(part, min(policy.draws, _DRAWS), policy.seed)
    again = allowing(drawn, every, ruled(drawn, every, policy), policy)
    if not again.proven.any():
        return {}
    decided = not Evidence(drawn, {}).insufficient(every, again, policy)
    against = again.reference
    if against == again.pick:
        order = np.argsort(-means(kept, field.weights), kind="stable")
        against = int(next(i for i in order if i != again.pick))
    found = held_difference(held, field.weights, (again.pick, against), policy.confidence, policy.draws, policy.seed)
    pick = field.members[again.pick]
    items = sum(scores.shape[1] for scores in held)
    label = pick.label if decided else f"{pick.label}{_UNSURE}"
    return {
        "share": SHARE, "items": items, "pick": pick.id, "label": label, "against": field.members[against].label,
        "same": decided and again.pick == verdict.pick, "difference": found.observed,
        "interval": [found.low, found.high],
    }  # fmt: skip
