"""One forward pass for everything a sweep asks for, and none for what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing, OpenHashing
from harness.filling import asked_for, store_batches
from harness.forward import StoredVectors, Work, resolve_devices
from harness.parts import identity
from harness.poolings.cls import Cls
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.protocols import Need
from harness.shelf import text_keys
from harness.store import read_json, write_json
from harness.types import Advanced, EvalSet, Event, HarnessError, Inapplicable, Qrels, Said, Texts

TEXTS = ["red apple", "green pear", "blue plum"]


class Counted(StoredVectors):
    """`encoded` counts the texts that went through a model and were stored; `said` holds what was said."""

    def __init__(self, folder: Path, device: str, needs: Sequence[Need], dtype: str = "float32") -> None:
        self.encoded, self.said, self.worked = 0, list[str](), list[int]()
        super().__init__(folder, device, needs, self._hear, dtype)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Advanced):
            self.encoded += event.texts
        elif isinstance(event, Said):
            self.said.append(event.line)
        else:
            self.worked.append(event.characters)


def source(folder: Path, *needs: Need) -> Counted:
    return Counted(folder, "cpu", needs)


def encode(folder: Path, encoder: Any = None, texts: Sequence[str] = TEXTS, role: Any = "document") -> tuple[Any, int]:
    """Rows and the number of texts that went through the model."""
    one = source(folder)
    return one.vectors(encoder or Hashing(), Native(), role, texts).rows, one.encoded


def test_stored_vectors_are_what_the_model_gives(tmp_path: Path) -> None:
    direct = Hashing().open("cpu").encode(TEXTS, "document", [Native()], 32)
    found = source(tmp_path).vectors(Hashing(), Native(), "document", TEXTS)
    np.testing.assert_array_equal(found.rows, direct.vectors[0])
    np.testing.assert_array_equal(found.tokens, direct.tokens)
    again, encoded = encode(tmp_path)
    assert encoded == 0
    np.testing.assert_array_equal(again, direct.vectors[0])


def test_one_changed_document_encodes_one_text(tmp_path: Path) -> None:
    encode(tmp_path)
    rows, encoded = encode(tmp_path, texts=["red apple", "green pears", "blue plum"])
    assert encoded == 1
    np.testing.assert_array_equal(rows, Hashing().open("cpu").encode(["red apple", "green pears", "blue plum"], "document", [Native()], 32).vectors[0])  # fmt: skip


def test_the_same_text_twice_is_encoded_once_and_served_twice(tmp_path: Path) -> None:
    rows, encoded = encode(tmp_path, texts=["a", "b", "a", "b", "a"])
    assert encoded == 2
    np.testing.assert_array_equal(rows[[0, 1]], rows[[2, 3]])
    assert not np.array_equal(rows[0], rows[1])


def test_one_pass_fills_every_pooling_that_is_planned(tmp_path: Path) -> None:
    part = Hashing()
    one = source(tmp_path, *(Need(part, p) for p in (Native(), Cls(), Max())))
    one.vectors(part, Native(), "document", TEXTS)
    for pooling in (Cls(), Max()):
        rows = one.vectors(part, pooling, "document", TEXTS).rows
        np.testing.assert_array_equal(rows, part.open("cpu").encode(TEXTS, "document", [pooling], 32).vectors[0])
    assert one.encoded == len(TEXTS)


def test_a_pooling_added_later_does_not_store_the_first_one_again(tmp_path: Path) -> None:
    part = Hashing()
    encode(tmp_path)
    before = sum(1 for _ in tmp_path.rglob("*.shard"))
    one = source(tmp_path, Need(part, Native()), Need(part, Cls()))
    one.vectors(part, Cls(), "document", TEXTS)
    assert sum(1 for _ in tmp_path.rglob("*.shard")) == before + 1


@dataclass(frozen=True)
class Refusing:
    """A pooling that fits no model, or has a bug."""

    error: str = "Inapplicable"
    native = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Never."""
        raise {"Inapplicable": Inapplicable, "ValueError": ValueError, "RuntimeError": RuntimeError}[self.error]("no")


@pytest.mark.parametrize("error", ["Inapplicable", "ValueError", "RuntimeError"])
def test_a_planned_pooling_that_fails_does_not_take_the_others_down(tmp_path: Path, error: str) -> None:
    part, bad = Hashing(), Refusing(error)
    one = source(tmp_path, Need(part, Mean()), Need(part, bad))
    assert one.vectors(part, Mean(), "document", TEXTS).rows.shape == (3, 64)
    with pytest.raises(Exception, match="no"):
        one.vectors(part, bad, "document", TEXTS)


@dataclass(frozen=True)
class Infinite:
    """A pooling that overflows."""

    native = False

    def pool(self, states: Any, mask: Any) -> Any:
        """inf."""
        return np.full((len(states), 2), np.inf, dtype=np.float32)


def test_vectors_that_are_not_finite_are_refused_and_never_stored(tmp_path: Path) -> None:
    part = Hashing()
    one = source(tmp_path, Need(part, Mean()), Need(part, Infinite()))
    with pytest.raises(HarnessError, match="not finite"):
        one.vectors(part, Infinite(), "document", TEXTS)
    assert not list((tmp_path / "vectors").glob(f"*/{identity(Infinite())}/*.shard"))
    assert np.isfinite(one.vectors(part, Mean(), "document", TEXTS).rows).all()


def test_a_prompt_changes_only_the_vectors_of_its_role(tmp_path: Path) -> None:
    encode(tmp_path), encode(tmp_path, role="query")
    prompted = Hashing(prompts={"query": "question: "})
    assert encode(tmp_path, prompted)[1] == 0
    rows, encoded = encode(tmp_path, prompted, role="query")
    assert encoded == 3
    np.testing.assert_array_equal(rows, prompted.open("cpu").encode(TEXTS, "query", [Native()], 32).vectors[0])


def test_a_query_equal_to_a_document_shares_its_vector_only_under_one_prompt(tmp_path: Path) -> None:
    encode(tmp_path)
    assert encode(tmp_path, role="query")[1] == 0
    assert encode(tmp_path, Hashing(prompts={"document": "passage: "}), role="query")[1] == 0
    assert encode(tmp_path, Hashing(prompts={"document": "passage: "}))[1] == 3


@pytest.mark.parametrize("other", [Hashing(seed=1), Hashing(dim=32), Hashing(max_tokens=1)])
def test_two_encoders_never_share_a_vector(tmp_path: Path, other: Hashing) -> None:
    encode(tmp_path)
    rows, encoded = encode(tmp_path, other)
    assert encoded == 3
    np.testing.assert_array_equal(rows, other.open("cpu").encode(TEXTS, "document", [Native()], 32).vectors[0])


def test_a_changed_library_or_device_encodes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path)
    other = Counted(tmp_path, "cuda:1", ())
    assert other.vectors(Hashing(), Native(), "document", TEXTS).rows.shape == (3, 64)
    assert other.encoded == 3
    monkeypatch.setattr("harness.home.versions", lambda: {"torch": "99"})
    assert encode(tmp_path)[1] == 3


def test_a_damaged_shard_is_said_aloud_and_encoded_again(tmp_path: Path) -> None:
    rows, _ = encode(tmp_path)
    path = next(tmp_path.rglob("*.shard"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    one = source(tmp_path)
    np.testing.assert_array_equal(one.vectors(Hashing(), Native(), "document", TEXTS).rows, rows)
    assert one.encoded == 3
    assert one.said == [f"store: {path.name} was damaged; its texts are encoded again"]


def dying(monkeypatch: pytest.MonkeyPatch, one: StoredVectors, after: int) -> None:
    """The model of `one` is interrupted in the pass after so many."""
    real, passes = Hashing().open("cpu"), iter(range(100))

    class Dying:
        def encode(self, *given: Any) -> Any:
            if next(passes) == after:
                raise KeyboardInterrupt
            return real.encode(*given)

    monkeypatch.setattr(one, "opened", lambda _: Dying())


def test_a_killed_pass_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    one = source(tmp_path)
    dying(monkeypatch, one, after=1)
    with pytest.raises(KeyboardInterrupt):
        one.vectors(Hashing(), Native(), "document", TEXTS)
    assert encode(tmp_path)[1] == 1


def test_store_batches_hold_each_text_once_the_longest_first_and_do_not_depend_on_file_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    monkeypatch.setattr("harness.filling._STORE_CHARACTERS", 10)
    texts = ["a", "cccccc", "bb", "dddd", "a", "eeee", "ffffffffffff"]

    def cut(texts: list[str]) -> list[list[str]]:
        asked = asked_for(text_keys("", texts), map(len, texts), {})
        return [[texts[asked.at[i]] for i in part] for part in store_batches(asked, small=False)]

    parts = cut(texts)
    assert [len(t) for part in parts for t in part] == [12, 6, 4, 4, 2, 1]
    assert [len(part) for part in parts] == [1, 2, 2, 1]
    assert cut(texts[::-1]) == parts


def test_after_a_kill_the_same_texts_share_a_pass_as_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    texts = ["one", "two two", "three", "four four four", "five"]
    seen: dict[str, list[Any]] = {"whole": [], "killed": []}
    encode_texts = OpenHashing.encode
    for name in seen:
        monkeypatch.setattr(OpenHashing, "encode", lambda *g, name=name: (seen[name].append(g[1]), encode_texts(*g))[1])
        one = source(tmp_path / name)
        if name == "killed":
            dying(monkeypatch, one, after=1)
            with pytest.raises(KeyboardInterrupt):
                one.vectors(Hashing(), Native(), "document", texts)
            one = source(tmp_path / name)
        one.vectors(Hashing(), Native(), "document", texts)
    assert seen["killed"] == seen["whole"]


def test_the_count_of_missing_texts_is_what_a_run_encodes(tmp_path: Path) -> None:
    qrels = Qrels(*(np.zeros(1, dtype=np.int32) for _ in range(3)))
    evalset = EvalSet("e", "retrieval", Texts(("1", "2", "3"), ("a", "bbb", "a")), Texts(("q",), ("cc",)), qrels)
    part = Hashing(prompts={"query": "q: "})
    one = source(tmp_path, Need(part, Native()), Need(part, Max()))
    assert one.missing(part, evalset) == Work(3, 6)
    one.vectors(part, Native(), "document", evalset.documents.texts)
    assert one.missing(part, evalset) == Work(1, 2)
    one.fill(part, evalset)
    assert one.missing(part, evalset) == Work(0, 0)
    assert one.encoded == 3


def test_a_pass_that_failed_is_not_tried_again_for_every_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def unreadable(self: Hashing, device: str) -> Any:
        opened.append(device)
        raise HarnessError("no weights")

    monkeypatch.setattr(Hashing, "open", unreadable)
    one = source(tmp_path, Need(Hashing(), Native()), Need(Hashing(), Max()))
    for pooling in (Native(), Max(), Native()):
        with pytest.raises(HarnessError, match="no weights"):
            one.vectors(Hashing(), pooling, "document", TEXTS)
    assert len(opened) == 1


def test_half_precision_on_disk_is_another_shelf(tmp_path: Path) -> None:
    encode(tmp_path)
    half = Counted(tmp_path, "cpu", (), "float16")
    rows = half.vectors(Hashing(), Native(), "document", TEXTS).rows
    assert half.encoded == 3
    whole, again = encode(tmp_path)
    assert again == 0
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, whole.astype(np.float16).astype(np.float32))


def test_only_one_model_is_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, opened = source(tmp_path), []
    monkeypatch.setattr(Hashing, "open", lambda self, device: opened.append(self.seed) or object())
    first, second = Hashing(), Hashing(seed=2)
    for part in (first, replace(first), second, first):
        one.opened(part)
    assert opened == [0, 2, 0]


def test_a_device_that_is_absent_is_one_line_with_those_present() -> None:
    assert resolve_devices("cpu") == ("cpu",)
    with pytest.raises(HarnessError, match=r"cuda:77 is not on this machine; it has cpu"):
        resolve_devices("cuda:77")


def test_auto_takes_every_gpu_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_devices("auto") == ("cuda:0", "cuda:1")
    assert resolve_devices("cuda") == ("cuda",)


@pytest.fixture(autouse=True)
def _no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_vectors_that_are_read_are_dated_anew(tmp_path: Path) -> None:
    encode(tmp_path)
    (path,) = tmp_path.rglob("about.json")
    about = read_json(path)
    assert (about["model"], about["poolings"]) == ("hashing", {identity(Native()): "native"})
    write_json(path, about | {"used": "2020-01-01"})
    assert encode(tmp_path)[1] == 0
    assert read_json(path) == about


def test_a_store_batch_shows_signs_of_life_and_is_stored_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.filling._SIGN_CHARACTERS", 10)
    one = source(tmp_path)
    rows = one.vectors(Hashing(), Native(), "document", TEXTS).rows
    assert sum(one.worked) == sum(map(len, TEXTS))
    assert len(one.worked) == 2
    assert len(list(tmp_path.rglob("*.shard"))) == 1
    np.testing.assert_array_equal(rows, Hashing().open("cpu").encode(TEXTS, "document", [Native()], 32).vectors[0])


def test_what_another_process_stores_meanwhile_is_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 1)
    one, other = source(tmp_path), source(tmp_path)
    texts = [f"text {i}" for i in range(8)]
    encode_texts = OpenHashing.encode

    def meanwhile(self: OpenHashing, chosen: Sequence[str], *given: Any) -> Any:
        if one.encoded == 2 and not other.encoded:
            monkeypatch.setattr(OpenHashing, "encode", encode_texts)
            other.vectors(Hashing(), Native(), "document", texts)
            monkeypatch.setattr(OpenHashing, "encode", meanwhile)
        return encode_texts(self, chosen, *given)

    monkeypatch.setattr(OpenHashing, "encode", meanwhile)
    rows = one.vectors(Hashing(), Native(), "document", texts).rows
    assert (one.encoded, other.encoded) == (3, 6)
    np.testing.assert_array_equal(
        rows, encode_texts(Hashing().open("cpu"), texts, "document", [Native()], 32).vectors[0]
    )


@pytest.mark.parametrize("change", [1, -1])
def test_a_model_that_returns_another_number_of_vectors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    encode_texts = OpenHashing.encode

    def wrong(self: OpenHashing, texts: list[str], *given: Any) -> Any:
        return encode_texts(self, [*texts, "more"] if change > 0 else texts[:-1], *given)

    monkeypatch.setattr(OpenHashing, "encode", wrong)
    with pytest.raises(HarnessError, match=f"returned {3 + change} vectors for 3 texts"):
        source(tmp_path).vectors(Hashing(), Native(), "document", TEXTS)
    assert not list(tmp_path.rglob("*.shard"))


def test_a_damaged_description_costs_nothing(tmp_path: Path) -> None:
    encode(tmp_path)
    (path,) = tmp_path.rglob("about.json")
    path.write_text("{")
    assert encode(tmp_path)[1] == 0
    assert encode(tmp_path, texts=[*TEXTS, "another"])[1] == 1
    assert read_json(path)["model"] == "hashing"
