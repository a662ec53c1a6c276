"""How a quick look reads in the terminal: the texts, and for each model its facts and its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TextIO

from harness.progress import clean
from harness.similarity import Absent, Look, nearest, notes_on
from harness.terminal import columns
from harness.wording import ABSENT, number

HELP = """usage: harness similarity [model=A,B,...] [OPTION=VALUE ...] [--query] [--json] [--plain] -- TEXT [TEXT ...]

A quick look at a few texts: for each model its dimensions, the tokens of each text, the time to load and to encode, and
the similarity of every two texts by the model's own function. Nothing is stored. The options are those of harness run
that shape a model's vectors: model, model.path=FOLDER, prompt, pooling, dim, similarity, dtype, device.

  --query   the first text is a query, the others are documents; left out, all are documents
  --json    everything as JSON, unrounded
  --plain   no colours, no table of the terminal's

example:  harness similarity model=wordllama,all-minilm-l6-v2 -- "forgot my password" "log in again" "paper jam"
""".rstrip()
_INCOMPARABLE = (
    "Values of different models do not compare: each has a scale of its own. Compare the order within a model; "
    "which model is better, harness run says."
)
_MOST = 12  # texts of which the whole matrix is shown
_PAIRS = 10
_CUT = 70


class _Block(NamedTuple):
    """One model: a line of facts, a table (its best cells by row and column), lines below."""

    facts: str
    head: list[str]
    body: list[list[str]]
    best: set[tuple[int, int]]
    below: list[str]


def shown(
    looks: Sequence[Look], absent: Sequence[Absent], texts: Sequence[str], query: bool, stream: TextIO | None
) -> str:
    """Everything as text; where `stream` is a terminal it is drawn there, with the nearest texts marked, and the text
    is empty.
    """
    top = [f"{i}  {_cut(text)}" for i, text in enumerate(texts, 1)] if len(texts) <= _MOST else []
    top += [f"! {note}" for note in notes_on(texts)]
    blocks = [_block(one, texts, query) for one in looks]
    end = [f"{one.model} is not shown: {one.reason}" for one in absent]
    end += [_INCOMPARABLE] if len(looks) > 1 else []
    if stream is not None and stream.isatty():
        _draw(top, blocks, end, stream)
        return ""
    middle = ["\n".join([b.facts, *([columns(b.head, b.body)] if b.body else []), *b.below]) for b in blocks]
    return "\n\n".join(part for part in ("\n".join(top), *middle, "\n".join(end)) if part)


def _block(one: Look, texts: Sequence[str], query: bool) -> _Block:
    below = [f"! {warning}" for warning in one.warnings]
    if not query and len(set(one.prompts.values())) > 1:
        below.append("  this model tells queries from documents; with --query the first text is a query")
    if len(texts) > _MOST:
        pairs = nearest(one, query, _PAIRS)
        body = [[f"{i + 1}", f"{j + 1}", f"{v:.4f}", _cut(texts[i], 30), _cut(texts[j], 30)] for i, j, v in pairs]
        said = f"  the {len(pairs)} nearest pairs of {len(texts)} texts; all values: --json"
        return _Block(_facts(one), ["", "", "similarity", "", ""], body, set(), [said, *below])
    unknown = not any(one.full_tokens)
    counts = [[ABSENT if unknown else str(count)] for count in one.full_tokens]
    values = one.matrix or [[] for _ in texts]
    body = [
        [str(i + 1), *counts[i], *(ABSENT if v is None else f"{v:.4f}" for v in row)] for i, row in enumerate(values)
    ]
    head = ["", "tokens", *(str(i + 1) for i in range(len(values[0])))]
    return _Block(_facts(one), head, body, _best(one), below)


def _facts(one: Look) -> str:
    negated = one.similarity in ("euclidean", "manhattan")
    similarity = f"{one.similarity} distance, negated" if negated else one.similarity
    used = {role: one.prompts[role] for role in one.roles}
    prompts = [f"{role} prompt {text!r}" for role, text in used.items() if text]
    parts = [
        " ".join((one.model, *one.shape)), f"{one.dimensions} dimensions", similarity,
        *(prompts or ["no prompt"]),
        f"loaded with its library in {_ms(one.load_ms)}", f"encoded in {_ms(one.encode_ms)}",
    ]  # fmt: skip
    return " · ".join(parts)


def _ms(value: float) -> str:
    return f"{number(value) if value < 100 else f'{value:.0f}'} ms"


def _best(one: Look) -> set[tuple[int, int]]:
    """The nearest other text of each text, as cells of the table; ties are all marked."""
    found = set()
    for i, row in enumerate(one.matrix):
        others = [value for j, value in enumerate(row) if j != i and value is not None]
        found |= {(i, j + 2) for j, value in enumerate(row) if j != i and others and value == max(others)}
    return found


def _draw(top: Sequence[str], blocks: Sequence[_Block], end: Sequence[str], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False)

    def say(line: str, style: str = "") -> None:
        console.print(Text(clean(line), "yellow" if line.startswith("!") else style))

    for line in top:
        say(line)
    for block in blocks:
        say("")
        say(block.facts, "bold")
        table = Table(box=None, pad_edge=False)
        for name in block.head:
            table.add_column(name, justify="right", header_style="dim", no_wrap=True)
        for i, row in enumerate(block.body):
            table.add_row(*(Text(clean(v), "bold green" if (i, j) in block.best else "") for j, v in enumerate(row)))
        console.print(table)
        for line in block.below:
            say(line)
    for line in ["", *end] if end else []:
        say(line)


def _cut(text: str, width: int = _CUT) -> str:
    line = clean(" ".join(text.split()))
    return line if len(line) <= width else f"{line[: width - 1]}…"
