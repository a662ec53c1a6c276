"""Tokenizers of model folders, and where tokens lie in a text; no weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.modelfolder import settings, transformer_of
from harness.types import HarnessError, Inapplicable, Ints, first_line

_BLOCK = 1000  # texts whose encodings are held at once


def read_tokenizer(file: Path) -> Any:
    """The `tokenizers.Tokenizer` of a tokenizer.json, without the padding and truncation that some carry."""
    from tokenizers import Tokenizer

    if "model" not in settings(file):  # the library's own error has no class of its own
        raise HarnessError(
            f"{file.parent.name}/{file.name} is missing or no tokenizer: copy it from the model that was exported"
        )
    return untruncated(Tokenizer.from_file(str(file)))


def untruncated(tokenizer: Any) -> Any:
    """A fast tokenizer's twin without truncation and padding; the given one keeps its state. None for slow ones."""
    own = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(own, "no_truncation"):
        return None
    twin = type(own).from_str(own.to_str())
    twin.no_truncation()
    twin.no_padding()
    return twin


def folder_spans(folder: Path, texts: Sequence[str]) -> list[Ints]:
    """`Encoder.spans` of a model folder; Inapplicable where its tokenizer cannot say where tokens lie."""
    return token_spans(_tokenizer_of(folder), texts)


def folder_pair_tokens(folder: Path, queries: Sequence[str], documents: Sequence[str]) -> Ints:
    """int32 [n], tokens of each pair, the special ones that a pair takes counted; Inapplicable as `folder_spans`.

    Inapplicable too where the folder has a chat template, which puts words of its own around a pair.
    """
    home = transformer_of(folder)
    if (home / "chat_template.jinja").exists() or settings(home / "tokenizer_config.json").get("chat_template"):
        raise Inapplicable(f"{folder.name} reads pairs through a chat template, whose tokens are not counted")
    encoded = _tokenizer_of(folder).encode_batch(list(zip(queries, documents, strict=True)))
    return np.asarray([len(e.ids) for e in encoded], dtype=np.int32)


def _tokenizer_of(folder: Path) -> Any:
    """A folder without tokenizer.json is asked through transformers, which turns most older formats into one."""
    home = transformer_of(folder)
    if (home / "tokenizer.json").exists():
        return read_tokenizer(home / "tokenizer.json")
    from transformers import AutoTokenizer

    try:
        tokenizer = untruncated(AutoTokenizer.from_pretrained(str(home), local_files_only=True))
    except (OSError, ValueError, KeyError, ImportError) as error:
        why = first_line(error)
        raise Inapplicable(f"{folder.name} has no tokenizer that can be read, use chunking=words: {why}") from error
    if tokenizer is None:
        raise Inapplicable(f"the tokenizer of {folder.name} does not say where tokens lie; use chunking=words")
    return tokenizer


def token_spans(tokenizer: Any, texts: Sequence[str]) -> list[Ints]:
    """For each text int32 [t, 2], characters where its tokens begin and end; special tokens left out.

    Tokens that share a character (the bytes of an emoji) have the same span.
    """
    found: list[Ints] = []
    for start in range(0, len(texts), _BLOCK):
        encoded = tokenizer.encode_batch(list(texts[start : start + _BLOCK]), add_special_tokens=False)
        found += [np.asarray(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encoded]
    return found
