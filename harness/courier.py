"""Requests to a service: cut into batches, sent several at once, tried again, halved where they are too large."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from harness.account import CHARACTERS_PER_TOKEN
from harness.types import Floats, HarnessError, Unavailable

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0  # of our own; a service may ask for more
_PATIENCE_S = 300.0  # the longest that a service may ask for
_SHOWN = 60


class Again(Unavailable):
    """A failure that may pass. `wait_s`: what the service asks for; `tries`: how often it is worth it (0: as set)."""

    def __init__(self, message: str, wait_s: float = 0.0, tries: int = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.tries = tries


class TooLarge(HarnessError):
    """A request with more texts or tokens than the service takes."""


class Answer(NamedTuple):
    """float32 [n, d] vectors or [n] scores in the order of the texts; tokens billed for all of them, 0: not told."""

    rows: Floats
    tokens: int = 0


Send = Callable[[list[str]], Answer]


class Job(NamedTuple):
    """Texts for one request, and the request."""

    texts: list[str]
    send: Send


class Delivered(NamedTuple):
    """Texts that went together, and their answer."""

    texts: list[str]
    answer: Answer


@dataclass(frozen=True)
class Limits:
    """Texts and estimated tokens in a request, requests at once, tries of each and seconds for a try; all above 0."""

    max_batch: int
    batch_tokens: int
    concurrency: int
    tries: int
    timeout_s: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise HarnessError(f"{name}={value:g}: expected more than 0")


class Courier:
    """Takes jobs to the service that `name` names and brings the answers back in the order of the jobs.

    A failed try is followed by a pause of 0.5 s, twice as long each time up to 8 s, shortened by chance to as little
    as half so that clients part ways, and never shorter than the service asks for. `sleep` replaces these pauses.
    """

    def __init__(self, name: str, limits: Limits, sleep: Callable[[float], object] | None = None) -> None:
        self.name = name
        self.limits = limits
        self.sleep = sleep
        self._draw = np.random.default_rng()

    def batches(self, texts: Sequence[str], size: int | None = None) -> Iterator[list[str]]:
        """The texts in their order, cut by count (`size` replaces `max_batch`) and by tokens.

        A token is taken for three characters, since the tokenizer is not known; a text that is too long goes alone.
        """
        batch, characters = list[str](), 0
        for text in texts:
            full = len(batch) == (size or self.limits.max_batch)
            if batch and (full or characters + len(text) > self.limits.batch_tokens * CHARACTERS_PER_TOKEN):
                yield batch
                batch, characters = [], 0
            batch.append(text)
            characters += len(text)
        if batch:
            yield batch

    def deliver(self, jobs: Sequence[Job]) -> list[Delivered]:
        """Every job's texts with their answers; the first error stops what has not been sent yet and is raised."""
        stop = threading.Event()
        if len(jobs) == 1 or self.limits.concurrency == 1:
            return [one for job in jobs for one in self._halving(job, stop)]
        pool = ThreadPoolExecutor(self.limits.concurrency)
        try:
            futures = [pool.submit(self._halving, job, stop) for job in jobs]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = [error for f in futures if f.done() and (error := f.exception())]
            if failed:
                raise failed[0]
            return [one for f in futures for one in f.result()]
        finally:
            stop.set()
            pool.shutdown()

    def _halving(self, job: Job, stop: threading.Event) -> list[Delivered]:
        try:
            return [Delivered(job.texts, self._patiently(partial(job.send, job.texts), stop))]
        except TooLarge as error:
            half = len(job.texts) // 2
            if not half:
                raise HarnessError(
                    f"{self.name}: a text of {len(job.texts[0]):,} characters is too long ({shown(job.texts[0])}): "
                    f"{error}. Shorten it or cut the documents into passages (chunking=words)"
                ) from error
            parts = job.texts[:half], job.texts[half:]
        return [one for texts in parts for one in self._halving(Job(texts, job.send), stop)]

    def _patiently(self, call: Callable[[], Answer], stop: threading.Event) -> Answer:
        tried = 0
        while not stop.is_set():
            try:
                return call()
            except Again as error:
                tried += 1
                (self.sleep or stop.wait)(self._pause(error, tried))
        raise Unavailable(f"{self.name}: another request failed")

    def _pause(self, error: Again, tried: int) -> float:
        """Seconds to wait before the next try; Unavailable where there is none."""
        if tried >= min(error.tries or self.limits.tries, self.limits.tries):
            raise Unavailable(f"{error} ({tried} tries)") from error
        if error.wait_s > _PATIENCE_S:
            raise Unavailable(f"{error}; it asks to wait {error.wait_s:.0f} s: run again later") from error
        own = min(_FIRST_PAUSE_S * 2 ** (tried - 1), _LONGEST_PAUSE_S)
        return float(max(error.wait_s, own * (0.5 + 0.5 * self._draw.random())))


def shown(text: str) -> str:
    """The first words of a text, for a message."""
    words = " ".join(text.split())
    return repr(words if len(words) <= _SHOWN else words[:_SHOWN] + "...")
