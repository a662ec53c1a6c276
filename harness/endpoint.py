"""JSON over HTTP: one address, its key, and what its refusals mean."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from harness.cause import cause
from harness.courier import Again, TooLarge
from harness.secret import Secret
from harness.types import HarnessError, Unavailable

_WORDS = 150  # characters of a server's own words in a message
_READ = 20_000  # bytes of an error body
_PIECE = 2**16
_LARGEST = 256 * 2**20  # bytes of an answer: 2,048 vectors of 4,096 numbers are about 180 MiB
_LONGEST = 3  # times `timeout_s`, for an answer that keeps coming and does not end
_TOO_LARGE = re.compile(
    r"token|length|context|batch size|too (long|large|big|many)|at most \d+ (requests|inputs)", re.I
)
_TRIES_UNMET = 3  # for a server that has never answered: it is not there, rather than busy
_TRIES_LATE = 4  # each costs a whole timeout


def checked_url(base_url: str) -> str:
    """The address; a HarnessError that does not quote it where it may hold a key, since records hold addresses."""
    parts = _split(base_url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise HarnessError(
            "base_url holds a user, a query or a fragment: a key there would be in every record. Give the bare address "
            "and put the key into the environment variable that key_variable names"
        )
    return base_url


class Endpoint:
    """POST requests to addresses below `base_url`, from any number of threads; proxies as the environment says.

    The key goes out as a bearer token. Redirects are not followed, since the key would go with them. A try ends after
    `timeout_s` seconds of silence, and after three times as many where an answer drips in and has not ended.
    """

    def __init__(self, name: str, base_url: str, secret: Secret, timeout_s: float) -> None:
        if _split(base_url).scheme not in ("http", "https"):
            raise HarnessError(f"base_url={base_url}: expected an http or https address")
        self.name = name
        self.url = base_url.rstrip("/")
        self.secret = secret
        self.timeout_s = timeout_s
        self._met = False
        self._session = requests.Session()
        self._session.auth = self._signed  # also keeps keys of ~/.netrc away

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer's JSON. Again where another try may do, TooLarge, or the error for the user."""
        where, ends = f"{self.name}: {self.url}", time.monotonic() + _LONGEST * self.timeout_s
        try:
            with self._session.post(
                f"{self.url}/{path}", json=body, timeout=self.timeout_s, allow_redirects=False, stream=True
            ) as response:
                content = self._content(where, response, ends)
        except (requests.Timeout, ReadTimeoutError) as error:
            raise _late(f"{where} gave no answer within {self.timeout_s:g} s") from error
        except (requests.RequestException, HTTPError) as error:
            raise Again(f"{where} cannot be reached: {cause(error)}", 0, 0 if self._met else _TRIES_UNMET) from error
        self._met = True
        if response.status_code >= 300:
            said = said_in(content, self.secret)
            raise refusal(where, response.status_code, said, waiting(response.headers.get("Retry-After", "")))
        return self._json(where, content)

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.secret:
            request.headers["Authorization"] = f"Bearer {self.secret.revealed()}"
        return request

    def _content(self, where: str, response: requests.Response, ends: float) -> bytes:
        """The body, or the beginning of an error's; `ends`: when it must have come, by the monotonic clock."""
        read = getattr(response.raw, "read1", response.raw.read)  # read1 hands out what has come; urllib3 1 has none
        found, failed = bytearray(), response.status_code >= 300
        while piece := read(_PIECE, decode_content=True):
            found += piece
            if failed and len(found) >= _READ:
                break
            if len(found) > _LARGEST:
                raise HarnessError(f"{where} answers with more than {_LARGEST // 2**20} MiB; lower max_batch")
            if time.monotonic() > ends:
                raise _late(f"{where} began an answer and did not end it within {_LONGEST * self.timeout_s:g} s")
        return bytes(found)

    def _json(self, where: str, content: bytes) -> Any:
        start = content.lstrip()[:1]
        if start == b"<":
            said = said_in(content, self.secret)
            raise HarnessError(f"{where} answers with a web page{said}; is base_url the address of the API (.../v1)?")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            broken = f"{where} answers with broken JSON after {len(content):,} bytes"
            if start in (b"{", b"["):
                raise Again(broken) from error
            advice = "check base_url: it should end in /v1 for most servers"
            raise Again(f"{broken}{said_in(content, self.secret)}; {advice}", 0, _TRIES_UNMET) from error


def _late(message: str) -> Again:
    return Again(f"{message}; raise timeout_s or lower max_batch", 0, _TRIES_LATE)


def refusal(where: str, status: int, said: str, wait_s: float = 0.0) -> HarnessError:
    """The error that an HTTP status means; `said`: the server's words as `said_in` gives them."""
    if status in (408, 425, 429) or status >= 500:
        return Again(f"{where} answers {status}{said}", wait_s)
    if status in (401, 403):  # without the server's words, which often repeat part of the key
        return Unavailable(f"{where} refuses the key ({status}): is key_variable the right one, and may it do this?")
    if status == 413 or (status in (400, 422) and _TOO_LARGE.search(said)):
        return TooLarge(f"{where} answers {status}{said}")
    if status == 404:
        return Unavailable(f"{where} answers 404{said}; are base_url (mostly .../v1) and id right?")
    if status in (301, 302, 303, 307, 308):
        return Unavailable(f"{where} answers {status}, it has moved: set base_url to its new address")
    return HarnessError(f"{where} refuses the request ({status}){said}")


def said_in(body: bytes, secret: Secret) -> str:
    """`: "first words"` of an error body (its message, or a page's title), empty where it has none."""
    text = body[:_READ].decode("utf-8", "replace")
    page = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
    words = page[1] if page else re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", _message(text), flags=re.I | re.S)
    words = secret.without(" ".join(words.split()))
    return f': "{words[:_WORDS]}"' if words else ""


def waiting(retry_after: str) -> float:
    """Seconds that a Retry-After header asks for (a number, or a date); 0.0 where it is absent or no such thing."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _split(base_url: str) -> SplitResult:
    try:
        return urlsplit(base_url)
    except ValueError as error:
        raise HarnessError(f"base_url is no address: {error}") from error


def _message(text: str) -> str:
    """The message inside an error body, under the names that services use; else the body."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    for name in ("error", "detail", "message"):
        while isinstance(found, Mapping) and name in found:
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found)
