"""Who accepted which decision of a sweep, and what that makes of the decision at hand."""

from __future__ import annotations

import hashlib
import json
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
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
_SIGNED = {"label", "by", "date"}
_STATE = ("id", "state", "decision_makers", "accepted", "supersedes", "replaces", "superseded_by")
_DIGITS = 9
_LONGEST = 200
_SCHEMA = 1
_BLANK = "\u115f\u1160\u3164\uffa0"  # letters of Hangul that show nothing


class Undecided(HarnessError):
    """Nothing was decided that a person could accept."""

    exit_code = 4


class Acceptance(NamedTuple):
    """One person's yes to one decision. `pick` is a candidate's id, `policy` the sha256 of the policy's values.

    supersedes: the id of the accepted decision that this one replaces, `SWEEP:ID` where it is another sweep's;
    replaces: that decision's `label`, who it was `by`, and its `date`.
    """

    id: str
    by: str
    date: str
    status: str
    pick: str
    label: str
    policy: str
    supersedes: str
    replaces: Mapping[str, str] = {}


def identity(decision: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of the sha256 of all that a decision says, its state aside.

    Numbers count to nine digits: another machine's arithmetic differs behind those.
    """
    return _digest({k: v for k, v in decision.items() if k not in _STATE})


def read_accepted(folder: Path) -> list[Acceptance]:
    """The acceptances in a sweep's folder, oldest first; none where nothing was accepted yet.

    HarnessError where the file is not as `accept` writes it: what a person signed is never taken for unsigned.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        return _entries(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise HarnessError(
            f"{path} cannot be read ({error}); restore it, or move it away: the decision is then proposed again"
        ) from error


def _entries(held: Any) -> list[Acceptance]:
    """The acceptances in what the file holds; ValueError or TypeError says what is wrong with it."""
    if not isinstance(held, dict) or held.get("schema") != _SCHEMA:
        raise ValueError(f"expected an object of schema {_SCHEMA}")
    if not isinstance(held.get("accepted"), list) or not held["accepted"]:
        raise ValueError("accepted: expected a list of at least one acceptance")
    if not all(isinstance(entry, dict) for entry in held["accepted"]):
        raise ValueError("accepted: expected objects alone")
    found = [Acceptance(**entry) for entry in held["accepted"]]
    for number, entry in enumerate(found, 1):
        _check_entry(entry, f"acceptance {number}")
    return found


def _check_entry(entry: Acceptance, where: str) -> None:
    """ValueError for a field that is no text or no date, and for one that may not be empty and is."""
    texts = {key: value for key, value in entry._asdict().items() if key != "replaces"}
    signed = entry.replaces
    if not isinstance(signed, dict) or (signed and set(signed) != _SIGNED):
        raise ValueError(f"{where}: replaces: expected {', '.join(sorted(_SIGNED))}")
    for key, value in (*texts.items(), *((f"replaces {key}", value) for key, value in signed.items())):
        if not isinstance(value, str) or not (value or key in ("supersedes", "policy")):
            raise ValueError(f"{where}: {key}={value!r:.80}: expected text")
    for key, day in (("date", entry.date), *([("replaces date", signed["date"])] if signed else [])):
        if not _is_day(day):
            raise ValueError(f"{where}: {key}={day!r:.80}: expected a day such as 2026-01-31")
    if not _readable(entry.by):
        raise ValueError(f"{where}: by={entry.by!a:.80}: expected a name")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def with_state(sweep: Sweep, decision: Mapping[str, Any]) -> dict[str, Any]:
    """The decision with its id and with what people made of it: pure in the decision and in `accepted.json`.

    state: proposed, accepted, or superseded by a later accepted decision of this sweep. `decision_makers` are those who
    accepted it, `accepted` the first day they did; `supersedes` names the accepted decision that it replaces or, while
    proposed, would replace; `replaces` says what that picked, who accepted it and when.
    """
    entries, own = read_accepted(sweep.folder), identity(decision)
    mine, last = [e for e in entries if e.id == own], entries[-1].id if entries else ""
    state: dict[str, Any] = {"id": own, "state": PROPOSED, "decision_makers": [], "accepted": ""}
    state |= {"supersedes": last, "replaces": _signed(entries)}
    if mine:
        state |= {
            "state": ACCEPTED if own == last else SUPERSEDED,
            "decision_makers": list(dict.fromkeys(e.by for e in mine)),
            "accepted": mine[0].date,
            "supersedes": mine[-1].supersedes,
            "replaces": dict(mine[-1].replaces),
        }
    return dict(decision) | state | {"superseded_by": last if state["state"] == SUPERSEDED else ""}


def accept(sweep: Sweep, policy: Mapping[str, Any], by: str | None, replaced: Path | None = None) -> None:
    """Write that a person accepts what a policy decides for a sweep; the same again changes nothing.

    policy: the node that was shown; where it is not the sweep's own, it becomes that, dated as changed after results
    existed, so that page and record say the same from now on. replaced: the folder of another sweep whose accepted
    decision this one supersedes. HarnessError without a name that can be read, Undecided where nothing was decided.
    """
    name = _named(by)
    sweep = _adopted(sweep, policy)
    decision = decide(sweep, read_policy(policy))
    _check_decided(decision)
    entries, own = read_accepted(sweep.folder), identity(decision)
    now_valid = list(takewhile(lambda e: e.id == own, reversed(entries)))
    elsewhere = replaced if replaced and replaced != sweep.folder else None
    supersedes, replaces = _superseded(entries, own, elsewhere)
    _write_policy(sweep)
    if any(e.by == name and (replaced is None or e.supersedes == supersedes) for e in now_valid):
        return
    pick = next(c for c in decision["candidates"] if c["id"] == decision["pick"])
    what = (decision["status"], pick["id"], pick["label"], _digest(policy))
    entries.append(Acceptance(own, name, _today(), *what, supersedes, replaces))
    write_json(sweep.folder / FILE, {"schema": _SCHEMA, "accepted": [e._asdict() for e in entries]})


def kept_in(folder: Path) -> list[Path]:
    """The files of a sweep's folder that `accept` may change."""
    return [folder / "sweep.json", folder / FILE]


def said(sweep: Sweep, decision: Mapping[str, Any], words: Sequence[str] = ()) -> str:
    """One line on the state of a decision that `with_state` gave, what it picks and what it replaces.

    words: those of `harness decide` that made it, which the command that accepts it repeats; the sweep's name if none.
    """
    own, before = f"record {decision['id']}", _before(decision)
    if decision["decision_makers"]:
        label = next(c["label"] for c in decision["candidates"] if c["id"] == decision["pick"])
        by = f"Accepted by {', '.join(decision['decision_makers'])} on {decision['accepted']} ({own}): use {label}."
        later = f" Superseded by {decision['superseded_by']}." if decision["superseded_by"] else ""
        return f"{by} It replaces {before}.{later}" if before else f"{by}{later}"
    if decision["status"] != DECIDED:
        return f"Nothing to accept yet ({own})."
    command = shlex.join(["harness", "decide", *(words or [sweep.folder.name]), "--accept", "--by", "NAME"])
    would = f"; it would replace {before}" if before else ""
    return f"Proposed ({own}){would}. To accept it: {command}"


def _before(decision: Mapping[str, Any]) -> str:
    old, own = decision["replaces"], decision["supersedes"]
    return f"{old['label']}, accepted by {old['by']} on {old['date']}, record {own}" if old else own


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
    if not _readable(name):
        raise HarnessError(f"decide: --by {name!a:.80} cannot be read as a name: expected letters, in UTF-8: --by NAME")
    return name


def _readable(name: str) -> bool:
    """Whether a name shows a letter or a digit, and has no bytes that were not UTF-8 and no control characters."""
    kinds = [unicodedata.category(c) for c in name if c not in _BLANK]
    return any(kind[0] in "LN" for kind in kinds) and not {"Cs", "Cc"} & set(kinds)


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


def _superseded(entries: Sequence[Acceptance], own: str, elsewhere: Path | None) -> tuple[str, Mapping[str, str]]:
    """The id of the accepted decision that this one replaces, and what it said; who joins in replaces the same."""
    if elsewhere is not None:
        others = read_accepted(elsewhere)
        if not others:
            raise HarnessError(f"decide: --supersedes {elsewhere.name}: no decision of that sweep was accepted")
        return f"{elsewhere.name}:{others[-1].id}", _signed(others)
    if entries and entries[-1].id == own:
        return entries[-1].supersedes, entries[-1].replaces
    return (entries[-1].id if entries else ""), _signed(entries)


def _signed(entries: Sequence[Acceptance]) -> dict[str, str]:
    """What the last accepted decision picked, by whom and on which day it was accepted first; empty without any."""
    if not entries:
        return {}
    same = [e for e in entries if e.id == entries[-1].id]
    return {"label": same[-1].label, "by": ", ".join(dict.fromkeys(e.by for e in same)), "date": same[0].date}


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
