"""What can be said of the texts of any task type: their language and their length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from harness.cases import at
from harness.checks.study import Findings, Unchecked
from harness.tongues import known, stranger
from harness.types import EvalSet, Ints, Note, Texts

_LOOKED_AT = 1000  # texts of a side, evenly
_SHARE, _FEWEST = 0.05, 3  # of the texts that tell their language, before it is a finding
LIMITS = (256, 512)  # tokens that the bundled models read: all-MiniLM, and bge, e5 and gte
_CHARACTERS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # each is a token of its own


def other_languages(evalset: EvalSet) -> Findings:
    """Texts in another language than those declared, where script or stop words tell."""
    declared = evalset.languages
    if not declared or not all(map(known, declared)):
        lacking = ", ".join(one for one in declared if not known(one))
        why = f"nothing is known here of {lacking}" if declared else "none are declared (languages: [en])"
        yield Unchecked(f"whether the texts are in the declared languages: {why}")
        return
    unsure = []
    for name, texts, what in _named_sides(evalset):
        chosen = range(0, len(texts), -(-len(texts) // _LOOKED_AT))
        verdicts = {i: stranger(texts.texts[i], declared) for i in chosen}
        told = [i for i, verdict in verdicts.items() if verdict is not None]
        other = [i for i in told if verdicts[i]]
        if not told:
            unsure.append(name)
        if len(other) >= max(_FEWEST, _SHARE * len(told)):
            counts = Counter(str(verdicts[i]) for i in other).most_common(2)
            seen = " and ".join(f"{language} ({count})" for language, count in counts)
            message = (
                f"{len(other)} of {len(told)} {name} that tell their language are not in {', '.join(declared)} but in "
                f"{seen}; {len(chosen) - len(told)} more of {len(chosen)} looked at are too short or unclear"
            )
            effect = _touched(evalset, name, set(other))
            fix = "Declare the language in languages, or remove these texts."
            yield at(Note("other-language", "warning", "", message, effect, fix, len(other)), texts, other[0], what)
    if unsure:
        yield Unchecked(f"the language of the {' and '.join(unsure)}: too short to tell")


def _named_sides(evalset: EvalSet) -> Iterator[tuple[str, Texts, str]]:
    searched = evalset.type == "retrieval"
    names = ("documents", "queries") if evalset.searched else ("texts", "first texts")
    for name, (_, texts), what in zip(names, evalset.sides, ("document", "query"), strict=True):
        if len(texts):
            yield name, texts, what if searched else ""


def _touched(evalset: EvalSet, name: str, other: set[int]) -> str:
    """How many scored items rest on these texts."""
    if not evalset.searched:
        return f"{len(other)} of {evalset.scored} scored items have a text that a model for these languages misreads"
    query, document, grade = evalset.qrels
    side = (query if name == "queries" else document)[grade > 0]
    hit = len(set(query[grade > 0][np.isin(side, list(other))].tolist()))
    of = "ask in it" if name == "queries" else "have a relevant document in it"
    return f"{hit} of {evalset.scored} scored queries {of}: their scores tell of another language"


def long_texts(evalset: EvalSet) -> Findings:
    """Texts that models of 256 and 512 tokens do not read to the end; words are counted, of which tokens are more."""
    for name, texts, what in _named_sides(evalset):
        words = _words(texts.texts)
        over = [words > limit for limit in LIMITS]
        if not over[0].any():
            continue
        shares = [
            f"{mask.mean():.1%} of {len(texts)} {name} have more than {n} words"
            for n, mask in zip(LIMITS, over, strict=True)
        ]
        lost = [np.maximum(words - limit, 0).sum() / words.sum() for limit in LIMITS]
        effect = (
            f"models of {LIMITS[0]} tokens miss at least {lost[0]:.1%} of the words, of {LIMITS[1]} {lost[1]:.1%}"
            f"{_asked(evalset, name, over)}"
        )
        fix = "Cut them into passages (chunking=words), or compare models that read more."
        note = Note("long-texts", "info", "", "; ".join(shares), effect, fix, int(over[0].sum()))
        yield at(note, texts, int(words.argmax()), what)


def _asked(evalset: EvalSet, name: str, over: Sequence[np.ndarray]) -> str:
    if not evalset.searched or name != "documents":
        return ""
    query, document, grade = evalset.qrels
    right = (grade > 0) & (document >= 0)
    hit = len(set(query[right][over[0][document[right]]].tolist()))
    return f"; {hit} of {evalset.scored} scored queries have a relevant document over {LIMITS[0]}"


def _words(texts: Sequence[str]) -> Ints:
    """int32 [n] words; where no spaces part them, characters of Chinese, Japanese and Korean."""
    return np.array(
        [max(len(text.split()), 0 if text.isascii() else len(_CHARACTERS.findall(text))) for text in texts],
        dtype=np.int32,
    )
