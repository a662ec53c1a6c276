"""What encoders share that give several rows a text: which files they are, and their pass over texts by length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args

import numpy as np

from harness.batching import Batching
from harness.modelfolder import (
    chosen_limit,
    hashes_of,
    inside_package,
    limit_of,
    local_folder,
    own_prompt,
    settings,
    snapshot,
    transformer_of,
)  # fmt: skip
from harness.parts import place
from harness.protocols import Pooling
from harness.tokenizing import folder_spans, untruncated
from harness.types import Encoded, Floats, HarnessError, Inapplicable, Ints, Role, first_line

_ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Files:
    """Where a model's files are read from.

    The first of these that is given and present: `path` (a folder), `package` (`module/folder`, a folder inside an
    installed package), `id` (a hub id, from the local cache or the network). `sha256` is checked against
    model.safetensors when given.
    """

    unset: ClassVar[str] = "the model has no weights to read: give model.path=FOLDER or model.id=HUB_ID"
    option: ClassVar[str] = "model.path="  # how a user writes the path
    instead: ClassVar[str] = "model=local model.path=FOLDER"  # and a folder in place of a hub id

    id: str = place("")
    path: str = place("")
    package: str = place("")
    revision: str = ""
    sha256: str = place("")

    def content(self) -> Mapping[str, str]:
        """sha256 of every file that decides what the model gives; a hub model and a copy of its folder are the same.

        Read once: `unchanged` refuses files that have changed since.
        """
        return self._content

    @cached_property
    def _content(self) -> Mapping[str, str]:
        folder = self.folder()
        hashes = hashes_of(folder)
        if self.sha256 and hashes.get("model.safetensors") != self.sha256:
            raise HarnessError(
                f"{folder.name}/model.safetensors has sha256 {hashes.get('model.safetensors', 'missing')}, expected "
                f"{self.sha256}: these are not the weights of {self.id or 'this model'}. Reinstall the package"
            )
        return hashes

    def folder(self) -> Path:
        """Where the files lie; Unavailable where they cannot be reached."""
        if self.path:
            return local_folder(self.path, self.option)
        if self.package and (folder := inside_package(self.package)):
            return folder
        if not self.id:
            raise HarnessError(self.unset)
        return snapshot(self.id, self.revision or None, self.package.split("/")[0], self.instead)

    def unchanged(self) -> Path:
        """Where the files lie, if they are still those that `content` has hashed."""
        folder = self.folder()
        if self.content() != hashes_of(folder):
            raise HarnessError(f"files in {folder.name} changed while the sweep ran. Run the same command again")
        return folder


@dataclass(frozen=True)
class Weights(Files):
    """A model's files and how they are used; the encoders over sentence-transformers' modules have these fields.

    `prompts` and `max_tokens` (0) left out are the model's own.
    """

    prompts: Mapping[Role, str] | None = None
    max_tokens: int = 0
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    trust_remote_code: bool = False

    def own_prompt(self, role: Role) -> str:
        """The prompt that the model's files define, empty for none."""
        return own_prompt(self.folder(), role) or ""

    def own_limit(self) -> int:
        """Tokens of a document that the model reads; 0 where its files name no limit."""
        entry = document_entry(self.folder())
        return int(settings(entry / "sentence_bert_config.json").get("document_length") or limit_of(entry))

    def prompt(self, role: Role) -> str:
        """The prompt given for the role, else the model's own."""
        given = self.prompts or {}
        return given[role] if role in given else self.own_prompt(role)

    def bare(self) -> Self:
        """The same model without prompts."""
        return replace(self, prompts=None)

    def spans(self, texts: Sequence[str]) -> list[Ints]:
        """See `Encoder`."""
        return folder_spans(document_entry(self.folder()), texts)

    def limit(self) -> int:
        """`max_tokens`, or the model's own where that is 0; a HarnessError where it is below."""
        return chosen_limit(self.folder(), self.max_tokens) if self.max_tokens else self.own_limit()

    def overridden(self) -> tuple[str, ...]:
        """A line for each prompt and limit that replaces the model's own."""
        own: dict[Role, str] = {role: self.own_prompt(role) for role in ("query", "document")}  # it reads no others
        found = [
            f"the {role} prompt {self.prompt(role)!r} overrides the model's own {own[role]!r}"
            for role in own
            if own[role] and self.prompt(role) != own[role]
        ]
        limit = self.own_limit()
        if self.max_tokens and limit and self.max_tokens != limit:
            found.append(f"max_tokens={self.max_tokens} overrides the model's own limit of {limit}")
        return tuple(found)


class Pieces(NamedTuple):
    """Rows of some texts: float32 [rows, d]; int32 [n] rows of each text and tokens that were encoded."""

    rows: Floats
    counts: Ints
    tokens: Ints


class OpenWeights(ABC):
    """A loaded model; `width` says how many numbers a token's state takes, for the size of batches."""

    refusal: ClassVar[str]  # said where another pooling than the model's own is asked for
    width: ClassVar[int] = 1  # in states of an ordinary encoder
    batch_used = 0  # texts in a full batch of the last `encode` that was given a size

    def __init__(self, part: Weights, model: Any) -> None:
        self.part = part
        self.model = model
        self._free = {role: untruncated(entrance(model, role).tokenizer) for role in _ROLES}

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; longest texts first, so batches hold texts of like length."""
        if any(not p.native for p in poolings):
            raise Inapplicable(self.refusal)
        prompt = self.part.prompt(role)
        full = self._full_tokens([prompt + t for t in texts], role)
        batching = Batching[Pieces](batch_size, self.model.device.type)
        lengths = self._lengths(full, role) * self.width
        passes = list(batching.run(lengths, lambda rows: self.forward([texts[j] for j in rows], role, prompt)))
        self.batch_used = batching.used
        made = [one for _, one in passes]
        back = np.argsort(np.concatenate([rows for rows, _ in passes]))
        pieces = [piece for one in made for piece in np.split(one.rows, np.cumsum(one.counts)[:-1])]
        joined = np.concatenate([pieces[i] for i in back])
        tokens = np.minimum(np.concatenate([one.tokens for one in made])[back], full)  # expansion is no token of a text
        return Encoded((joined,) * len(poolings), tokens, full, np.concatenate([one.counts for one in made])[back])

    @abstractmethod
    def forward(self, texts: list[str], role: Role, prompt: str) -> Pieces:
        """One batch."""

    def _lengths(self, full: Ints, role: Role) -> Ints:
        """Tokens that go through the model for texts of so many: cut at its limit, filled up where queries expand."""
        first = entrance(self.model, role)
        limit = getattr(first, f"{role}_length", None) or first.max_seq_length or np.iinfo(np.int32).max
        expansion = (role == "query" and getattr(first, "query_expansion", None)) or {"length": 0}
        lengths: Ints = np.maximum(np.minimum(full, limit), expansion["length"]).astype(np.int32)
        return lengths

    def _full_tokens(self, texts: list[str], role: Role) -> Ints:
        first, free = entrance(self.model, role), self._free[role]
        special = "Static" not in type(first).__name__  # static modules leave special tokens out
        if free is None:
            ids = first.tokenizer(texts, truncation=False, add_special_tokens=special)["input_ids"]
            return np.asarray([len(one) for one in ids], dtype=np.int32)
        return np.asarray([len(e.ids) for e in free.encode_batch(texts, add_special_tokens=special)], dtype=np.int32)


def entrance(model: Any, role: Role) -> Any:
    """The module that reads texts of a role; models may have one for each (sentence-transformers' Router)."""
    routes = getattr(model[0], "sub_modules", None)
    return model[0] if routes is None else routes[role if role in routes else model[0].default_route][0]


def document_entry(folder: Path) -> Path:
    """The folder of the module that reads documents, with their tokenizer."""
    first = transformer_of(folder)
    routes = settings(first / "router_config.json").get("structure") or {}
    return first / routes["document"][0] if routes.get("document") else first


@contextmanager
def loading(folder: Path, kind: str = "a model") -> Iterator[None]:
    """Turns what a library raises for a broken folder into one line; TypeError is a module's, given wrong settings."""
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise HarnessError(f"{folder.name} cannot be loaded as {kind}: {first_line(error)}") from error
