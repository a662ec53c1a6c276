"""Whether a loaded model is all there: what a folder lacks, transformers makes up, and the numbers look real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.types import HarnessError

_FOUND = "_is_hf_initialized"  # the mark that transformers 5 leaves on each parameter it has read from a file
_STATES = "last_hidden_state"
_SPACE = "▁"  # the one piece that an empty sentence-piece tokenizer has


def check_complete(name: str, model: Any) -> None:
    """HarnessError where weights or the tokenizer of a sentence-transformers model are not in its folder, `name`.

    Weights that no result depends on may be missing: a pooler where token states are used, and what a class of
    transformers says it can do without. Not judged: quantised models, adapters, classes with a loader of their own.
    """
    for module in model.modules():
        _check_tokenizer(name, getattr(module, "tokenizer", None))
    parts = list(_transformers(model))
    if any(part.tokenizer is None for part in parts):
        raise HarnessError(f"no tokenizer in {name}: it reads no text")
    missing = [weight for part in parts for weight in _missing(part)]
    if missing:
        total = sum(len(list(part.auto_model.parameters())) for part in parts)
        raise HarnessError(
            f"{name}: {len(missing)} of {total} weights are missing from the file (first: {missing[0]}): what is "
            "missing would be random. Fetch the model again"
        )


def _transformers(model: Any) -> Iterator[Any]:
    from sentence_transformers.base.modules import Transformer

    return (module for module in model.modules() if isinstance(module, Transformer))


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """transformers 5 makes an empty tokenizer where no file holds one: every word is then the unknown one."""
    from transformers import PreTrainedTokenizerBase

    if isinstance(tokenizer, PreTrainedTokenizerBase):
        added = getattr(tokenizer, "added_tokens_encoder", ())  # those of tokenizer_config.json
        beside = {*tokenizer.all_special_tokens, *added, _SPACE}
        if all(piece in beside for piece in tokenizer.get_vocab()):
            raise HarnessError(f"no tokenizer in {name}: it has no vocabulary. Fetch the model again")


def _missing(part: Any) -> list[str]:
    """Parameters that were filled at random, and that decide a result."""
    model = part.auto_model
    unread = [name for name, weight in model.named_parameters() if not getattr(weight, _FOUND, False)]
    if _is_read_otherwise(model, all_unread=len(unread) == len(list(model.parameters()))):
        return []
    states_alone = part.modality_config.get("text", {}).get("method_output_name") == _STATES
    spare = [*(getattr(model, "_keys_to_ignore_on_load_missing", None) or ())]
    spare += [r"(^|\.)pooler\."] if states_alone else []
    return [name for name in unread if not any(re.search(pattern, name) for pattern in spare)]


def _is_read_otherwise(model: Any, all_unread: bool) -> bool:
    """Whether the marks say nothing: others than transformers' own loader have put weights in."""
    from transformers import PreTrainedModel

    own_loader = type(model).from_pretrained.__func__ is not PreTrainedModel.from_pretrained.__func__  # type: ignore[attr-defined]
    packed = getattr(model, "hf_quantizer", None) is not None or getattr(model, "_hf_peft_config_loaded", False)
    return packed or (own_loader and all_unread)
