"""Texts to the tensors that a sentence-transformers model reads, each text tokenised once where that is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.tokenizing import untruncated
from harness.types import Ints

_BLOCK = 1000  # texts whose encodings are held at once
_SAMPLES = ("a", "", "Größe & 12,5 %: naïve café 😀 deoxyribonucleic", "  Blank\tspace \n", "wide " * 40)
_LONG = "over the limit "


class Read(Protocol):
    """Some texts as a tokenizer has read them."""

    @property
    def lengths(self) -> Ints:
        """int32 [n], tokens that go through the model."""
        ...

    @property
    def full(self) -> Ints:
        """int32 [n], tokens before the cut at the model's limit."""
        ...

    def features(self, rows: NDArray[np.integer]) -> dict[str, Any]:
        """What the model's modules take for some of the texts: tensors [n, t], filled up to the longest, and more."""
        ...


class Reader(Protocol):
    """What reads texts for a model."""

    def read(self, texts: Sequence[str], prompt: str) -> Read:
        """The texts, each with the prompt before it."""
        ...


def reader_of(model: Any, prompts: Sequence[str]) -> Reader:
    """The quick reader where it was seen to give what the model's own `preprocess` gives; else that one.

    Chat templates, tokenizers of other kinds and modules that add features of their own are left to `preprocess`.
    """
    own = Preprocess(model)
    try:
        quick = Once(model)
        texts = [*_SAMPLES, _LONG * (model.max_seq_length or 1)]
        same = all(_same(quick.read(texts, p), own.read(texts, p), len(texts)) for p in dict.fromkeys(["", *prompts]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return own
    return quick if same else own


def _same(one: Read, other: Read, texts: int) -> bool:
    found, wanted = (read.features(np.arange(texts)) for read in (one, other))
    if not np.array_equal(one.full, other.full):
        return False
    return set(found) == set(wanted) and all(_equal(found[name], value) for name, value in wanted.items())


def _equal(one: Any, other: Any) -> bool:
    return bool(one.equal(other)) if hasattr(one, "equal") else bool(one == other)


def placed(features: Mapping[str, Any], device: Any) -> dict[str, Any]:
    """Features whose tensors lie on the device; to a GPU through pinned memory, so that nothing waits for the copy."""
    pinned = device.type == "cuda"
    return {
        name: (value.pin_memory() if pinned else value).to(device, non_blocking=pinned)
        if hasattr(value, "to")
        else value
        for name, value in features.items()
    }


class Preprocess:
    """The model's own way: `preprocess` for each batch, after a pass that counts tokens."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tokenizer = untruncated(model.tokenizer)
        self.special = type(model[0]).__name__ == "Transformer"  # static models leave special tokens out

    def read(self, texts: Sequence[str], prompt: str) -> _Texts:
        """See `Reader`."""
        full = self._counts([prompt + text for text in texts])
        return _Texts(np.minimum(full, self.model.max_seq_length or full).astype(np.int32), full, self, texts, prompt)

    def _counts(self, texts: list[str]) -> Ints:
        if self.tokenizer is None:
            counts = (len(self.model.tokenizer(text, truncation=False)["input_ids"]) for text in texts)
        else:
            counts = (len(one.ids) for one in self.tokenizer.encode_batch(texts, add_special_tokens=self.special))
        return np.fromiter(counts, dtype=np.int32, count=len(texts))


@dataclass(frozen=True)
class _Texts:
    lengths: Ints
    full: Ints
    reader: Preprocess
    texts: Sequence[str]
    prompt: str

    def features(self, rows: NDArray[np.integer]) -> dict[str, Any]:
        found: dict[str, Any] = self.reader.model.preprocess([self.texts[i] for i in rows], prompt=self.prompt or None)
        return found


class Once:
    """One pass of the tokenizer gives ids, cut at the model's limit, and how long texts were before the cut."""

    def __init__(self, model: Any) -> None:
        self.model, tokenizer = model, model.tokenizer
        self.twin = untruncated(tokenizer)
        self.special = len(self.twin.encode("").ids)
        if model.max_seq_length:
            self.twin.enable_truncation(model.max_seq_length)
        self.left = tokenizer.padding_side == "left"
        self.names = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
        self.names = {name: pad for name, pad in self.names.items() if name in tokenizer.model_input_names}
        self._constant: dict[str, Mapping[str, Any]] = {}

    def read(self, texts: Sequence[str], prompt: str) -> _Ids:
        """See `Reader`."""
        found = _Ids(np.zeros(len(texts), np.int32), np.zeros(len(texts), np.int32), self, [], [], prompt)
        for start in range(0, len(texts), _BLOCK):
            block = [prompt + text for text in texts[start : start + _BLOCK]]
            for i, one in enumerate(self.twin.encode_batch(block), start):
                found.ids.append(np.asarray(one.ids, dtype=np.int32))
                found.types.append(np.asarray(one.type_ids, dtype=np.int32))
                found.lengths[i] = len(one.ids)
                found.full[i] = len(one.ids) + sum(len(rest.ids) - self.special for rest in one.overflowing)
        return found

    def constant(self, prompt: str) -> Mapping[str, Any]:
        """Features that are no tensors: the modality, and the length of a prompt that poolings may leave out."""
        if prompt not in self._constant:
            found = self.model.preprocess([_SAMPLES[0]], prompt=prompt or None)
            self._constant[prompt] = {name: value for name, value in found.items() if isinstance(value, str | int)}
        return self._constant[prompt]


@dataclass(frozen=True)
class _Ids:
    lengths: Ints
    full: Ints
    reader: Once
    ids: list[Ints]
    types: list[Ints]
    prompt: str

    def features(self, rows: NDArray[np.integer]) -> dict[str, Any]:
        import torch

        columns = {"input_ids": self.ids, "token_type_ids": self.types}
        made = {name: self._filled([columns[name][i] for i in rows], pad) for name, pad in self.reader.names.items()}
        made["attention_mask"] = self._filled([np.ones_like(self.ids[i]) for i in rows], 0)
        return {name: torch.from_numpy(column) for name, column in made.items()} | dict(
            self.reader.constant(self.prompt)
        )

    def _filled(self, rows: list[Ints], pad: int) -> NDArray[np.int64]:
        longest = max(map(len, rows))
        filled = np.full((len(rows), longest), pad, dtype=np.int64)
        for place, row in zip(filled, rows, strict=True):
            place[slice(longest - len(row), None) if self.reader.left else slice(len(row))] = row
        return filled
