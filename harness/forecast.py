"""What a sweep would do and cost, before it runs: grid, forward passes, time, disk and memory as ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.forward import Work
from harness.parts import identity
from harness.plan import Failure, Variant
from harness.progress import spoken_range
from harness.protocols import Need
from harness.rehearsal import rehearsed
from harness.types import EvalSet
from harness.wording import called, counted, size, whole
from harness.worker import Probed

_SPREAD = (0.8, 1.3)  # a machine against itself, and a sample's texts against all of them
_VARIANT_S = (0.01, 0.05)  # loading and fitting vectors, metrics, the record
_FLOPS = (2e11, 1e10)  # of the product of queries and documents
_CALL_S = (0.002, 0.02)  # of one query beside its characters
_START_S = (1.0, 10.0)  # of a process, with the libraries that it imports
_RECORD_BYTES = (5e3, 6e4)
_PROCESS_BYTES = (0.3e9, 0.8e9)
_KEY_BYTES = 24
_LISTED = 30
_NONE = ("-", None)  # of a model without vectors
_AXES = ("model", "pooling", "dim", "quantization", "index", "task", "batch_size")


class Range(NamedTuple):
    """At least and at most."""

    low: float = 0.0
    high: float = 0.0

    def plus(self, other: Range) -> Range:
        """The sum of two."""
        return Range(self.low + other.low, self.high + other.high)


class Step(NamedTuple):
    """One forward pass: a model over an eval set for some poolings.

    probed: what a probe gave, or why it gave nothing; None where there was no probe.
    """

    need: Need
    model: str
    task: str
    poolings: tuple[str, ...]
    work: Work
    probed: Probed | str | None


class Timing(NamedTuple):
    """One measurement: the model it runs ("" for none), how many texts it takes, what searching for one of them
    multiplies, and the seconds it takes at least. fresh: a process is started for it, and the model loaded.
    """

    model: str
    texts: int
    flop: float = 0.0
    least_s: float = 0.0
    fresh: bool = False


class Sketch(NamedTuple):
    """What there is to forecast from.

    pending: variants without a record; failed: how many of those remembered did; timings: measurements;
    widths: dimensions of models by encoder identity; item_bytes: of a stored component.
    """

    sweep: str
    headline: str
    pending: Mapping[str, Variant]
    remembered: int
    failed: int
    failures: Sequence[Failure]
    steps: Sequence[Step]
    evalsets: Mapping[str, EvalSet]
    widths: Mapping[str, int]
    item_bytes: int
    timings: Sequence[Timing]


def forecast(sketch: Sketch) -> str:
    """The plan as a person reads it."""
    refused = {
        key: reason
        for key, v in sketch.pending.items()
        if (reason := rehearsed(v, sketch.widths, sketch.evalsets[v.task]))
    }
    run = {key: v for key, v in sketch.pending.items() if key not in refused}
    lines = [sketch.headline, *_grid(sketch.pending.values())]
    again = f" ({sketch.failed} failed; retry=failed tries them again)" if sketch.failed else ""
    lines.append(f"remembered  {sketch.remembered}{again}, to run {len(run)}, not applicable {len(refused)}")
    lines += _listed(run.values()) if len(run) <= _LISTED else []
    lines += _grouped(refused, sketch.pending)
    lines += [f"  {f.status}: {f.labels['model']} on {f.task}: {f.reason}" for f in sketch.failures]
    lines += [f"forward passes  {len(sketch.steps) or 'none'}", *map(_pass_line, sketch.steps)]
    lines += _timings_line(sketch.timings)
    lines += [f"time        {_time(sketch, run)}", f"disk        {_shown(_disk(sketch, run))}"]
    lines += [f"memory      {_shown(_memory(sketch))} a process"] if run else []
    return "\n".join([*lines, f"sweep {sketch.sweep}; nothing was run"])


def _grid(variants: Collection[Variant]) -> list[str]:
    """The values of each axis that has more than one."""
    held = [dict(v.labels) | {"task": v.task, "batch_size": v.batch_size} for v in variants]
    axes = {axis: list(dict.fromkeys(str(one[axis]) for one in held if one[axis] not in _NONE)) for axis in _AXES}
    return [f"  {axis:12}  {', '.join(values)}" for axis, values in axes.items() if len(values) > 1]


def _listed(variants: Iterable[Variant]) -> list[str]:
    return [f"  to run  {called(v.labels)} on {v.task}" for v in variants]


def _grouped(refused: Mapping[str, str], variants: Mapping[str, Variant]) -> list[str]:
    """One line a reason, with the rule that leaves these variants out."""
    by_reason: dict[str, list[Variant]] = {}
    for key, reason in refused.items():
        by_reason.setdefault(reason, []).append(variants[key])
    return [f"  not applicable ({len(group)}): {called(group[0].labels)}{' ...' if len(group) > 1 else ''}: {reason}"
            for reason, group in by_reason.items()]  # fmt: skip


def _pass_line(step: Step) -> str:
    what = f"  {step.model} on {step.task}, pooling {', '.join(step.poolings)}: {whole(step.work.texts)} texts"
    if isinstance(step.probed, str):
        return f"{what}; a probe failed: {step.probed}"
    return what if step.probed is None else f"{what}, {_spoken(_pass_time(step))}"


def _pass_time(step: Step) -> Range:
    probed = step.probed
    if not isinstance(probed, Probed):
        return Range()
    seconds = step.work.characters / probed.characters_per_s
    return Range(probed.load_s + seconds * _SPREAD[0], probed.load_s + seconds * _SPREAD[1])


def _time(sketch: Sketch, run: Mapping[str, Variant]) -> str:
    total = Range()
    for step in sketch.steps:
        total = total.plus(_pass_time(step))
    for variant in run.values():
        total = total.plus(_scoring(variant, sketch))
    probed = {s.model: s.probed for s in sketch.steps if isinstance(s.probed, Probed)}
    for timing in sketch.timings:
        total = total.plus(_timed(timing, probed.get(timing.model)))
    unknown = [s.model for s in sketch.steps if not isinstance(s.probed, Probed)]
    return _spoken(total) + (f", and the forward passes of {', '.join(dict.fromkeys(unknown))}" if unknown else "")


def _timings_line(timings: Sequence[Timing]) -> list[str]:
    fresh = sum(timing.fresh for timing in timings)
    started = f", {counted(fresh, 'fresh start')} among them" if fresh else ""
    return [f"timings     {counted(len(timings), 'measurement')}{started}"] if timings else []


def _timed(timing: Timing, probed: Probed | None) -> Range:
    slow = 2000 / probed.characters_per_s if probed else 0.0  # texts of some 500 words
    fast, long = (call + timing.flop / rate for call, rate in zip(_CALL_S, _FLOPS, strict=True))
    load = probed.load_s if probed else 0.0
    start = Range(_START_S[0] + load, _START_S[1] + load) if timing.fresh else Range()
    return Range(max(timing.least_s, timing.texts * fast), max(timing.least_s, timing.texts * (long + slow))).plus(
        start
    )


def _scoring(variant: Variant, sketch: Sketch) -> Range:
    evalset = sketch.evalsets[variant.task]
    flop = len(evalset.queries) * product_flop(variant, sketch.widths, len(evalset.documents))
    return Range(_VARIANT_S[0] + flop / _FLOPS[0], _VARIANT_S[1] + flop / _FLOPS[1])


def product_flop(variant: Variant, widths: Mapping[str, int], documents: int) -> float:
    """Floating-point operations of one query against so many documents; `widths` as in `Sketch`."""
    known = [widths.get(identity(n.encoder), 768) for n in variant.retriever.needs()] or [32]
    return 2.0 * documents * max(known)


def _disk(sketch: Sketch, run: Mapping[str, Variant]) -> Range:
    vectors = sum(
        step.work.texts * len(step.poolings) * (_width(sketch, step) * sketch.item_bytes + _KEY_BYTES)
        for step in sketch.steps
    )
    records = len(run) + len(sketch.timings)
    return Range(vectors + records * _RECORD_BYTES[0], vectors + records * _RECORD_BYTES[1])


def _memory(sketch: Sketch) -> Range:
    """Of the largest process: the model as the probe held it, the texts, and one to two copies of the vectors."""
    held = [s.probed.memory_bytes for s in sketch.steps if isinstance(s.probed, Probed)]
    process = Range(max(held), 1.3 * max(held)) if held else Range(*_PROCESS_BYTES)
    texts = max(sum(map(len, (*e.documents.texts, *e.queries.texts))) for e in sketch.evalsets.values())
    width = max(sketch.widths.values(), default=0)
    matrix = 4.0 * width * max(len(e.documents) for e in sketch.evalsets.values())
    return process.plus(Range(texts + matrix, 2 * texts + 2 * matrix))


def _width(sketch: Sketch, step: Step) -> int:
    return sketch.widths.get(identity(step.need.encoder), 768)


def _spoken(seconds: Range) -> str:
    return spoken_range(*seconds)


def _shown(amount: Range) -> str:
    low, high = (size(_rounded(value)) for value in amount)
    return low if low == high else f"{low} to {high}"


def _rounded(value: float) -> float:
    """Two digits: a forecast has no more."""
    return float(f"{value:.1e}")
