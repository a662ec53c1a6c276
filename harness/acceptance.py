"""Who accepted which decision of a sweep, and what that makes of the decision at hand."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from harness.decide import DECIDED, decide
from harness.policy import read_policy
from harness.store import read_json, write_json
from harness.table import Sweep
from harness.types import HarnessError

FILE = "accepted.json"
PROPOSED, ACCEPTED, SUPERSEDED = "proposed", "accepted", "superseded"
_STATE = ("id", "state", "decision_makers", "accepted", "supersedes", "superseded_by")
_DIGITS = 9
_LONGEST = 200


class Undecided(HarnessError):
    """Nothing was decided that a person could accept."""

    exit_code = 4


class Acceptance(NamedTuple):
    """One person's yes to one decision. `pick` is a candidate's id, `policy` the sha256 of the policy's values.

    supersedes: the id of the accepted decision that this one replaces, `SWEEP:ID` where it is another sweep's.
    """

    id: str
    by: str
    date: str
    status: str
    pick: str
    label: str
    policy: str
    supersedes: str


def identity(decision: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of the sha256 of all that a decision says, its state aside.

    Numbers count to nine digits: another machine's arithmetic differs behind those.
    """
    return _digest({k: v for k, v in decision.items() if k not in _STATE})


def read_accepted(folder: Path) -> list[Acceptance]:
    """The acceptances in a sweep's folder, oldest first; none where nothing was accepted yet.

    HarnessError where the file cannot be read: what a person signed is never taken for unsigned.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        return [Acceptance(**entry) for entry in read_json(path)["accepted"]]
    except (HarnessError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{path} cannot be read ({error}); restore it, or move it away: the decision is then proposed again"
        ) from error


def with_state(sweep: Sweep, decision: Mapping[str, Any]) -> dict[str, Any]:
    """The decision with its id and with what people made of it: pure in the decision and in `accepted.json`.

    state: proposed, accepted, or superseded by a later accepted decision of this sweep. `decision_makers` are those who
    accepted it, `accepted` the first day they did; `supersedes` names the accepted decision that it replaces or, while
    proposed, would replace.
    """
    entries, own = read_accepted(sweep.folder), identity(decision)
    mine, last = [e for e in entries if e.id == own], entries[-1].id if entries else ""
    state = {"id": own, "state": PROPOSED, "decision_makers": [], "accepted": "", "supersedes": last}
    if mine:
        state |= {
            "state": ACCEPTED if own == last else SUPERSEDED,
            "decision_makers": list(dict.fromkeys(e.by for e in mine)),
            "accepted": mine[0].date,
            "supersedes": mine[-1].supersedes,
        }
    return dict(decision) | state | {"superseded_by": last if state["state"] == SUPERSEDED else ""}


def accept(sweep: Sweep, policy: Mapping[str, Any], by: str | None, replaced: Path | None = None) -> None:
    """Write that a person accepts what a policy decides for a sweep; the same again changes nothing.

    policy: the node that was shown; where it is not the sweep's own, it becomes that, dated as changed after results
    existed, so that page and record say the same from now on. replaced: the folder of another sweep whose accepted
    decision this one supersedes. HarnessError without a name, Undecided where nothing was decided.
    """
    name = _named(by)
    sweep = _adopted(sweep, policy)
    decision = decide(sweep, read_policy(policy))
    _check_decided(decision)
    entries, own = read_accepted(sweep.folder), identity(decision)
    now_valid = list(takewhile(lambda e: e.id == own, reversed(entries)))
    before = entries[len(entries) - len(now_valid) - 1].id if len(entries) > len(now_valid) else ""
    supersedes = _accepted_elsewhere(replaced) if replaced and replaced != sweep.folder else before
    _write_policy(sweep)
    if any(e.by == name and (replaced is None or e.supersedes == supersedes) for e in now_valid):
        return
    pick = next(c for c in decision["candidates"] if c["id"] == decision["pick"])
    entries.append(
        Acceptance(own, name, _today(), decision["status"], pick["id"], pick["label"], _digest(policy), supersedes)
    )
    write_json(sweep.folder / FILE, {"schema": 1, "accepted": [e._asdict() for e in entries]})


def said(sweep: Sweep, decision: Mapping[str, Any]) -> str:
    """One line on the state of a decision that `with_state` gave."""
    own = f"record {decision['id']}"
    if decision["decision_makers"]:
        later = f", superseded by {decision['superseded_by']}" if decision["superseded_by"] else ""
        return f"Accepted by {', '.join(decision['decision_makers'])} on {decision['accepted']} ({own}){later}."
    if decision["status"] != DECIDED:
        return f"Nothing to accept yet ({own})."
    command = f"harness decide {shlex.quote(sweep.folder.name)} --accept --by NAME"
    return f"Proposed ({own}). To accept it: {command}"


def departure(sweep: Sweep, decision: Mapping[str, Any]) -> str:
    """A line where the sweep's last accepted decision picks another candidate; empty where it does not."""
    entries = read_accepted(sweep.folder)
    if not entries or decision["pick"] in (None, entries[-1].pick):
        return ""
    last = entries[-1]
    return (
        f"The accepted pick is {last.label} (by {last.by} on {last.date}); this decision picks another and is proposed."
    )


def _named(by: str | None) -> str:
    name = " ".join((by or "").split())
    if not name or len(name) > _LONGEST:
        raise HarnessError(
            f"decide: --accept needs the name of who accepts, of at most {_LONGEST} characters: --by NAME"
        )
    return name


def _check_decided(decision: Mapping[str, Any]) -> None:
    samples = [name for name, about in decision["evalsets"].items() if about["sample"]]
    if decision["status"] != DECIDED or decision["pick"] is None:
        raise Undecided(f"nothing to accept: the outcome is {decision['status']!r}. {decision['sentence']}")
    if samples:
        raise Undecided(f"nothing to accept: a run on a sample ({', '.join(samples)}) is a smoke test; run it whole")


def _adopted(sweep: Sweep, policy: Mapping[str, Any]) -> Sweep:
    """The sweep with this policy as its own, and the date of the change where it is one."""
    if read_policy(policy) == read_policy(sweep.manifest["policy"]):
        return sweep
    changed = {"policy": policy, "policy_changed": datetime.now(UTC).isoformat(timespec="seconds")}
    return sweep._replace(manifest=sweep.manifest | changed)


def _write_policy(sweep: Sweep) -> None:
    """Bring the policy on disk in line with the sweep's; nothing where it is."""
    path = sweep.folder / "sweep.json"
    kept = read_json(path)
    changed = kept | {key: sweep.manifest[key] for key in ("policy", "policy_changed") if key in sweep.manifest}
    if changed != kept:
        write_json(path, changed)


def _accepted_elsewhere(folder: Path) -> str:
    entries = read_accepted(folder)
    if not entries:
        raise HarnessError(f"decide: --supersedes {folder.name}: no decision of that sweep was accepted")
    return f"{folder.name}:{entries[-1].id}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _digest(value: Any) -> str:
    text = json.dumps(_rounded(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(v) for v in value]
    return value
