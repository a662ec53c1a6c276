"""Tiny randomly initialised models, saved as sentence-transformers and model2vec save theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXTS = [
    "the quick brown fox", "", "a printer is offline and nobody knows why it does not answer", "fox",
    "reset the password  ", "error 0x80070005 in module seven of the backup tool, twice a day since Monday",
]  # fmt: skip
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "a",
    "printer",
    "is",
    "offline",
    "and",
    "it",
    "query",
    "document",
    ":",
    "reset",
]


def bert(folder: Path, seed: int = 0) -> Path:
    """A BERT of 16 dimensions with a word-piece tokenizer, in transformers' own layout."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    pieces += [p + c for c in "abcdefghijklmnopqrstuvwxyz0123456789,." for p in ("", "##")]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]", model_max_length=24,  # noqa: S106
    )  # fmt: skip
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def decoder(folder: Path) -> Path:
    """A Qwen2-like decoder of 16 dimensions with byte-level pieces and padding on the left."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(["<pad>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<pad>",
        padding_side="left",
        model_max_length=40,  # noqa: S106
    )
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=len(alphabet) + 1, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    Qwen2Model(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def saved(folder: Path, transformer: Path, pooling: str, more: list[Any] | None = None, **model: Any) -> Path:
    """A sentence-transformers folder: transformer, pooling and whatever modules follow."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    first = Transformer(str(transformer))
    include = model.pop("include_prompt", True)
    modules = [first, Pooling(first.get_embedding_dimension(), pooling, include_prompt=include), *(more or [])]
    SentenceTransformer(modules=modules, device="cpu", **model).save(str(folder))
    return folder


def static(folder: Path) -> Path:
    """A StaticEmbedding whose tokenizer adds special tokens, which static models leave out."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bert(folder.with_name("for-tokenizer")) / "tokenizer.json"))
    torch.manual_seed(3)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=12)], device="cpu").save(str(folder))
    return folder


def model2vec(folder: Path) -> Path:
    """A folder as model2vec's save_pretrained writes it."""
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bert(folder.with_name("for-model2vec")) / "tokenizer.json"))
    vectors = np.random.default_rng(4).normal(size=(tokenizer.get_vocab_size(), 10)).astype(np.float32)
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(folder)
    return folder
