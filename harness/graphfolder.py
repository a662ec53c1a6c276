"""Encoders that are a folder with an exported graph and a tokenizer.json; ONNX Runtime and OpenVINO run them alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from harness.batching import Batching
from harness.modelfolder import (
    check_room,
    chosen_limit,
    graph_hashes,
    modules_of,
    overrides,
    own_prompt,
    pooling_settings,
    similarity_of,
    stated_pooling,
    transformer_of,
)  # fmt: skip
from harness.parts import find, place
from harness.protocols import Encoder, Pooling
from harness.tokenizing import folder_spans, read_tokenizer
from harness.types import Encoded, Floats, HarnessError, Inapplicable, Ints, Role, Traits, first_line

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_STATES = ("last_hidden_state", "token_embeddings")
_FINISHED = "sentence_embedding"
_IN_GRAPH = {"Transformer", "Pooling", "Normalize"}  # modules that need no weights beside the graph
_APART = 1e-4  # 1 - cosine; float32 stays below 1e-9 from batch to batch, dynamic int8 goes beyond 1e-3
_SHORT, _LONG = "a", "error 0x80070005 in module seven: the backup of 3,200 files was (again!) cancelled at 23:59"


class Graph(Protocol):
    """A loaded graph: the dtype of each input and the rank of each output, by name; what its runtime raises."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, int]
    errors: tuple[type[Exception], ...]

    def run(self, feeds: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[NDArray[Any]]:
        """The named outputs."""
        ...


@dataclass(frozen=True)
class GraphEncoder:
    """What a folder with a graph says of itself; the parts add how it is loaded.

    `file` is the graph inside the folder `path` (onnx/model_quantized.onnx). Left out, `own_pooling`, `prompts`,
    `max_tokens` (0) and `similarity` ("native") are what sentence-transformers' JSON files in the folder say, where it
    has them; `own_pooling` must be given where neither they nor the graph (an output sentence_embedding) say it.
    `reference` (a sentence-transformers folder or a hub id) is the model that the graph was made from: vectors are held
    against its own, see `precision`.
    """

    path: str = place()
    file: str = place("model.onnx")
    own_pooling: Literal["", "cls", "mean", "max", "last", "weighted_mean", "mean_sqrt_len"] = ""
    prompts: Mapping[Role, str] | None = None
    max_tokens: int = 0
    similarity: Literal["native", "cosine", "dot", "euclidean", "manhattan"] = "native"
    reference: str = place("")

    def content(self) -> Mapping[str, str]:
        """sha256 of the graph and of the files beside it that may decide the vectors; wherever the folder lies.

        Read once: `open` refuses files that have changed since.
        """
        return self._content

    @cached_property
    def _content(self) -> Mapping[str, str]:
        return graph_hashes(self.folder(), self.file)

    def traits(self) -> Traits:
        """Read from the folder's JSON files; pooling is empty where only the graph knows it."""
        folder = self.folder()
        stated = stated_pooling(folder)
        warnings = overrides(
            folder, {"query": self.prompt("query"), "document": self.prompt("document")}, self.max_tokens
        )
        if self.own_pooling and stated not in ("", self.own_pooling):
            warnings += (f"own_pooling={self.own_pooling} overrides the model's own {stated}",)
        similarity = similarity_of(folder) if self.similarity == "native" else self.similarity
        return Traits(similarity, self.own_pooling or stated, chosen_limit(folder, self.max_tokens), warnings)

    def prompt(self, role: Role) -> str:
        """The prompt given for the role, else the model's own, else its default prompt, else none."""
        if self.prompts is not None and role in self.prompts:
            return self.prompts[role]
        return own_prompt(self.folder(), role) or ""

    def bare(self) -> Self:
        """The same model without prompts."""
        return replace(self, prompts=None)

    def original(self) -> Encoder | None:
        """The model in float32 that `reference` names, read as this one is; None without a name."""
        if not self.reference:
            return None
        there = Path(self.reference).expanduser().is_dir()
        if not there and not _HUB_ID.fullmatch(self.reference):
            raise HarnessError(f"model.reference={self.reference}: no such folder, and no hub id")
        where = {"path" if there else "id": self.reference}
        how = {"prompts": self.prompts, "max_tokens": self.max_tokens, "similarity": self.similarity}
        made: Encoder = find("encoders", "sentence_transformer")(**where, **how)
        return made

    def spans(self, texts: Sequence[str]) -> list[Ints]:
        """See `Encoder`."""
        return folder_spans(self.folder(), texts)

    def folder(self) -> Path:
        """Where the model lies; a HarnessError names the graphs that are there if the one asked for is not."""
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise HarnessError(f"model.path={self.path}: no such folder")
        if not (folder / self.file).is_file():
            graphs = sorted(
                p.relative_to(folder).as_posix() for kind in ("onnx", "xml") for p in folder.rglob(f"*.{kind}")
            )
            there = f"give model.file={' or '.join(graphs)}" if graphs else "export the model first"
            raise HarnessError(f"model.path={self.path} holds no graph {self.file}: {there}")
        return folder

    def unchanged(self) -> Path:
        """The graph's file; a HarnessError where files changed since `content` was read."""
        folder = self.folder()
        if self.content() != graph_hashes(folder, self.file):
            raise HarnessError(f"files in {folder.name} changed while the sweep ran. Run the same command again")
        return folder / self.file


class OpenGraph:
    """A loaded graph with its tokenizer.

    Graphs with dynamic int8 quantise their activations by the largest value in the batch, so that what lies beside a
    text changes its vector (cosine down to 0.985): where this is seen, texts go through one at a time.
    """

    batch_used = 0  # texts in a full batch of the last `encode` that was given a size

    def __init__(self, part: GraphEncoder, graph: Graph) -> None:
        folder = part.folder()
        self.part, self.graph, self.name = part, graph, folder.name
        self.tokenizer = read_tokenizer(transformer_of(folder) / "tokenizer.json")
        self.cutting = type(self.tokenizer).from_str(self.tokenizer.to_str())
        limit = part.traits().max_tokens
        if not limit:  # beyond its last position a graph may fail, or give numbers that mean nothing
            raise HarnessError(f"{self.name} does not say how many tokens the model reads: give model.max_tokens")
        check_room(limit, len(self.tokenizer.encode("").ids))
        self.limit = limit
        self.cutting.enable_truncation(limit)
        self.states = _states(graph.outputs)
        self.unpoolable = self._unpoolable(folder)
        self.poolings = self._own_poolings(folder)
        self.unit = any(kind == "Normalize" for kind, _ in modules_of(folder))
        self.alone = self._looks_across_texts()

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; longest texts first, so batches hold texts of like length."""
        if self.unpoolable and any(not p.native for p in poolings):
            raise Inapplicable(f"{self.name}: use pooling=native, since {self.unpoolable}")
        prompted = [self.part.prompt(role) + t for t in texts]
        full = np.asarray([len(e.ids) for e in self.tokenizer.encode_batch(prompted)], dtype=np.int32)
        tokens = np.minimum(full, self.limit).astype(np.int32)
        batching = Batching[list[Floats]](1 if self.alone else batch_size)
        passes = list(batching.run(tokens, lambda rows: self._forward([prompted[i] for i in rows], poolings)))
        self.batch_used = batching.used
        back = np.argsort(np.concatenate([rows for rows, _ in passes]))
        columns = [np.concatenate([made[j] for _, made in passes])[back] for j in range(len(poolings))]
        return Encoded(tuple(columns), tokens, full)

    def _forward(self, texts: list[str], poolings: Sequence[Pooling]) -> list[Floats]:
        mask, outputs = self._run(texts)
        return [self._vectors(p, mask, outputs) for p in poolings]

    def _run(self, texts: list[str]) -> tuple[NDArray[np.bool_], Mapping[str, Floats]]:
        encoded = self.cutting.encode_batch(texts)
        length = max(1, *(len(e.ids) for e in encoded))
        for e in encoded:
            e.pad(length)
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        arrays = {name: np.asarray([getattr(e, at) for e in encoded]) for name, at in columns.items()}
        mask = arrays["attention_mask"].astype(bool)
        arrays["position_ids"] = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
        if absent := sorted(set(self.graph.inputs) - set(arrays)):
            raise HarnessError(f"{self.name}: the graph asks for {', '.join(absent)}; export it for feature extraction")
        feeds = {name: arrays[name].astype(dtype) for name, dtype in self.graph.inputs.items()}
        names = [n for n in (self.states, _FINISHED) if n in self.graph.outputs]
        failed = (
            f"{self.name}: the graph fails on {length} tokens; if that is more than it reads, lower model.max_tokens"
        )
        try:
            made = self.graph.run(feeds, names)
        except self.graph.errors as error:
            raise HarnessError(f"{failed}. {first_line(error)}") from error
        if any(m.shape[0] != len(mask) or (m.ndim == 3 and m.shape[:2] != mask.shape) for m in made):
            raise HarnessError(f"{failed}. Its output has the shape {made[0].shape}")
        return mask, {n: np.asarray(m, dtype=np.float32) for n, m in zip(names, made, strict=True)}

    def _vectors(self, pooling: Pooling, mask: NDArray[np.bool_], outputs: Mapping[str, Floats]) -> Floats:
        if pooling.native and not self.poolings:
            return outputs[_FINISHED]
        chosen = self.poolings if pooling.native else (pooling,)
        rows = np.concatenate([p.pool(outputs[self.states], mask) for p in chosen], axis=1)
        if self.unit:
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return np.asarray(rows, dtype=np.float32)

    def _own_poolings(self, folder: Path) -> tuple[Pooling, ...]:
        """The model's own pooling; empty where the graph's own output is taken."""
        if _FINISHED in self.graph.outputs and not self.part.own_pooling:
            return ()
        if self.unpoolable:
            raise HarnessError(f"{self.name}: {self.unpoolable}")
        name = self.part.own_pooling or stated_pooling(folder)
        if not name:
            raise HarnessError(
                f"{self.name} does not say how token states are pooled: give model.own_pooling=mean, cls, max, last, "
                "weighted_mean or mean_sqrt_len, as the card of the model says"
            )
        return tuple(find("poolings", one)() for one in name.split("+"))

    def _unpoolable(self, folder: Path) -> str:
        """Why states cannot be pooled here as torch would; empty where they can."""
        more = [kind for kind, _ in modules_of(folder) if kind not in _IN_GRAPH]
        if not self.states:
            return f"the graph gives {', '.join(self.graph.outputs)} and no token states"
        if more:
            return f"its module {more[0]} is not in the graph; export the whole model"
        if (pooling_settings(folder) or {}).get("include_prompt") is False:
            return "it leaves the prompt out of the pooling, which is not done for graphs"
        return ""

    def _looks_across_texts(self) -> bool:
        mask, alone = self._run([_SHORT])
        beside = self._run([_SHORT, _LONG])[1]
        name = self.states or _FINISHED
        one, two = alone[name][0], beside[name][0]
        one, two = (one[mask[0]], two[: mask.shape[1]][mask[0]]) if self.states else (one, two)
        cosine = float((one * two).sum() / (np.linalg.norm(one) * np.linalg.norm(two)))
        return cosine < 1 - _APART


def _states(outputs: Mapping[str, int]) -> str:
    """The output that holds token states, empty if there is none."""
    named = [n for n in _STATES if n in outputs] + [n for n, rank in outputs.items() if rank == 3]
    return named[0] if named else ""
