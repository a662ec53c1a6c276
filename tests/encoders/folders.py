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


def late(folder: Path, transformer: Path, expansion: Any = None, dims: int = 6, **model: Any) -> Path:
    """A multi-vector model as sentence-transformers saves it: a projection, dots left out of documents, unit length."""
    import string

    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    torch.manual_seed(6)
    first = Transformer(str(transformer), query_expansion=expansion, **model.pop("lengths", {}))
    head = Dense(16, dims, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings")
    modules = [first, head, MultiVectorMask(list(string.punctuation)), Normalize("token_embeddings")]
    MultiVectorEncoder(modules=modules, device="cpu", **model).save(str(folder))
    return folder


def pylate(folder: Path, transformer: Path) -> Path:
    """A ColBERT as PyLate 1 saves it: transformer and projection, everything else in one settings file."""
    import json

    late(folder, transformer)
    modules = json.loads((folder / "modules.json").read_text())[:2]
    modules[1]["type"] = "pylate.models.Dense.Dense"
    (folder / "modules.json").write_text(json.dumps(modules))
    own = {"model_type": "ColBERT", "query_prefix": "query ", "document_prefix": "document ", "query_length": 10,
           "document_length": 18, "attend_to_expansion_tokens": False, "prompts": {}}  # fmt: skip
    (folder / "config_sentence_transformers.json").write_text(json.dumps(own))
    return folder


def stanford(folder: Path, transformer: Path) -> Path:
    """A ColBERT as Stanford's own engine saves it: the projection beside the transformer's weights."""
    import json
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(transformer, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(7)
    named = {f"bert.{name}": tensor for name, tensor in weights.items()} | {"linear.weight": torch.randn(5, 16)}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["HF_ColBERT"]}))
    own = {"query_token_id": "query", "doc_token_id": "document", "query_maxlen": 9, "doc_maxlen": 16,
           "mask_punctuation": True, "attend_to_mask_tokens": False}  # fmt: skip
    (folder / "artifact.metadata").write_text(json.dumps(own))
    return folder


def masked(folder: Path, transformer: Path) -> Path:
    """The transformer's tokenizer with a masked language model, whose logits are positive for some terms only."""
    import shutil

    import torch
    from transformers import BertConfig, BertForMaskedLM

    shutil.copytree(transformer, folder)
    torch.manual_seed(8)
    model = BertForMaskedLM(BertConfig.from_pretrained(transformer))
    with torch.no_grad():
        model.cls.predictions.transform.dense.weight.mul_(20)
        model.cls.predictions.bias.fill_(-0.02)
    model.save_pretrained(folder)
    return folder


def splade(folder: Path, lm: Path, free: bool = False, **model: Any) -> Path:
    """A SPLADE as sentence-transformers saves it; `free`: queries are looked up, without a pass through the model."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling

    first = Transformer(str(lm), transformer_task="fill-mask")
    modules: list[Any] = [first, SpladePooling("max")]
    if free:
        torch.manual_seed(9)
        query = SparseStaticEmbedding(first.tokenizer, torch.rand(len(first.tokenizer.get_vocab())), frozen=True)
        modules = [Router.for_query_document([query], modules)]
    SparseEncoder(modules=modules, device="cpu", **model).save(str(folder))
    return folder


def exported(folder: Path, transformer: Path, gives: str = "states", crude: bool = False) -> Path:
    """A BERT as model.onnx beside its tokenizer.json and nothing else; `gives` names its outputs.

    `crude` rounds the states to 15 steps of the largest value in the batch, as dynamic int8 graphs round theirs.
    """
    import shutil

    import torch
    from transformers import AutoModel

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(transformer, attn_implementation="eager").eval()

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            states = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            if crude:
                step = states.abs().max() / 15
                states = torch.round(states / step) * step
            finished = torch.nn.functional.normalize(states[:, 0] * 2 + states.mean(dim=1) * 0, dim=1)
            made = {
                "states": (states,),
                "both": (states, finished),
                "finished": (finished,),
                "logits": (states[:, 0, :1],),
            }
            return made[gives]

    names = {
        "states": ["last_hidden_state"], "both": ["token_embeddings", "sentence_embedding"],
        "finished": ["sentence_embedding"], "logits": ["logits"],
    }[gives]  # fmt: skip
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.tensor([[2, 5, 6, 3], [2, 5, 3, 0]])
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Wrapped(), (ids, (ids > 0).long(), ids * 0), str(folder / "model.onnx"), dynamo=False, input_names=inputs,
        output_names=names, dynamic_axes={name: {0: "n", 1: "t"} if name != "sentence_embedding" else {0: "n"} for name in inputs + names},
    )  # fmt: skip
    shutil.copy(transformer / "tokenizer.json", folder)
    return folder
