"""Which language a text is in, as far as its script and its stop words say; nothing is said of short texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

# Languages by the first word of the Unicode names of their letters. Those of the Latin script are the rest.
_SCRIPTS: Mapping[str, str] = {
    "CYRILLIC": "be bg kk ky mk mn ru sr tg uk", "ARABIC": "ar fa ps sd ug ur", "DEVANAGARI": "hi mr ne sa",
    "HEBREW": "he yi", "CJK": "zh ja", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "BENGALI": "as bn",
    "GREEK": "el", "THAI": "th", "TAMIL": "ta", "TELUGU": "te", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "ETHIOPIC": "am ti", "KHMER": "km", "LAO": "lo", "MYANMAR": "my", "SINHALA": "si", "MALAYALAM": "ml",
    "KANNADA": "kn", "GUJARATI": "gu", "GURMUKHI": "pa",
}  # fmt: skip
_LATIN = (
    "af az bs ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro sk sl so sq sr sv "
    "sw tl tr uz vi zu"
)
_WORDY = {
    "en": "EN_PLUS", "de": "GERMAN", "nl": "DUTCH", "fr": "FRENCH", "es": "SPANISH", "it": "ITALIAN", "tr": "TURKISH",
    "pt": "PORTUGUESE", "sv": "SWEDISH", "no": "NORWEGIAN", "da": "DANISH", "ru": "RUSSIAN",
}  # fmt: skip
_LETTERS, _WORDS = 12, 8  # below them a text says nothing of its script, of its language
_READ = 600  # characters of a text that are looked at
_MOSTLY = 0.8  # of the letters are of one script
_STOPS, _AHEAD = 0.2, 1.5  # share of stop words that tells a language, and how far ahead of the expected ones


def known(language: str) -> bool:
    """Whether anything can be said of texts in this language (`en`, `de-AT`)."""
    return bool(_scripts_of(_plain(language)))


def stranger(text: str, languages: Sequence[str]) -> str | None:
    """The language, or the script, of a text that is in none of these known `languages`.

    Empty where it is in one of them, None where the text does not tell: it is too short, mixes scripts, or shares a
    script with a language whose stop words are not at hand.
    """
    expected = [_plain(language) for language in languages]
    script = _script(text[:_READ])
    if script is None:
        return None
    if not any(script in _scripts_of(one) for one in expected):
        return _called(script)
    rivals = [one for one in expected if script in _scripts_of(one)]
    if script not in ("LATIN", "CYRILLIC"):
        return ""
    return _by_words(text[:_READ], rivals)


def _by_words(text: str, expected: Sequence[str]) -> str | None:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    if len(words) < _WORDS or not all(one in _WORDY for one in expected):
        return None
    shares = {one: sum(word in stops for word in words) / len(words) for one, stops in _stop_words().items()}
    best = max(shares, key=lambda one: shares[one])
    own = max(shares[one] for one in expected)
    if best not in expected and shares[best] >= _STOPS and shares[best] >= _AHEAD * own:
        return best
    return "" if own >= _STOPS and own >= shares[best] else None


def _script(text: str) -> str | None:
    """The script of most letters; None for few letters or a mixture."""
    letters = Counter(_of_letter(character) for character in text if character.isalpha())
    if letters["HIRAGANA"] + letters["KATAKANA"]:  # Japanese mixes them with CJK
        letters["HIRAGANA"] += letters.pop("KATAKANA", 0) + letters.pop("CJK", 0)
    total = letters.total()
    if total < (_LETTERS if "CJK" not in letters else _WORDS):
        return None
    script, count = letters.most_common(1)[0]
    return script if count >= _MOSTLY * total else None


@cache
def _of_letter(character: str) -> str:
    return unicodedata.name(character, "?").partition(" ")[0]


def _called(script: str) -> str:
    spoken = _SCRIPTS.get(script, "").split()
    return spoken[0] if len(spoken) == 1 else f"{script.capitalize()} script"


@cache
def _scripts_of(language: str) -> frozenset[str]:
    others = {script for script, spoken in _SCRIPTS.items() if language in spoken.split()}
    return frozenset(others | ({"LATIN"} if language in _LATIN.split() else set()))


@cache
def _stop_words() -> Mapping[str, frozenset[str]]:
    from bm25s import stopwords

    return {one: frozenset(getattr(stopwords, f"STOPWORDS_{name}")) for one, name in _WORDY.items()}


def _plain(language: str) -> str:
    code = language.partition("-")[0]
    return {"nb": "no", "nn": "no"}.get(code, _TWO.get(code, code))


_TWO = {
    "eng": "en", "deu": "de", "nld": "nl", "fra": "fr", "spa": "es", "ita": "it", "tur": "tr", "por": "pt", "swe": "sv",
    "nor": "no", "nob": "no", "dan": "da", "rus": "ru", "zho": "zh", "jpn": "ja", "kor": "ko", "ara": "ar", "hin": "hi",
    "pol": "pl", "fin": "fi", "ukr": "uk", "heb": "he", "ell": "el", "tha": "th", "vie": "vi",
}  # fmt: skip
