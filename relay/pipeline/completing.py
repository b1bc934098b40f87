"""Completing thin webhooks: fetching documents from a platform's API, signed in by OAuth 2 or fixed headers.

Nothing is retried here but once after a token was refused: the render stage does that, with its gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from relay.codes import RelayError
from relay.destinations.contract import Answer, Request
from relay.destinations.retry_after import milliseconds_s, retry_after_s
from relay.model import Json
from relay.pipeline.pacing import Pace
from relay.sources.contract import Credentials, Lookup
from relay.sources.fields import at
from relay.sources.json_text import parse_exact

EXPIRY_MARGIN_S = 60.0
"""A token is renewed this long before it expires, or at half of a shorter life."""
MAX_DOCUMENT_BYTES = 6 * 1024 * 1024

_WAITING = frozenset({0, 408, 425, 429})


class Door(Protocol):
    """The way out to HTTP (`relay.http`). An answer is cut at ``max_answer_bytes``; redirects are not followed."""

    async def send(self, request: Request, *, timeout_s: float, max_answer_bytes: int | None = None) -> Answer: ...


class CompletionMissing(Exception):
    """The platform has no such document, or refuses to be asked for this one: the event cannot be rendered."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class CompletionWaits(Exception):
    """Nothing can be fetched now. ``code`` is ``completion_waiting`` or ``completion_refused``.

    ``wait_s`` is how long the platform asks to wait, where it says so.
    """

    def __init__(self, code: str, detail: str, wait_s: float | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until_ms: int


class Completer:
    """One source's commerce connection. Calls ``base_url`` and the credentials' ``token_url``, and nothing else."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str,
        timeout_s: float,
        door: Door,
        pace: Pace,
        now_ms: Callable[[], int],
    ) -> None:
        self._credentials = credentials
        self._base_url = base_url.rstrip("/")
        parts = urlsplit(self._base_url)
        self._shown_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # without a password
        self._timeout_s = timeout_s
        self._door = door
        self._pace = pace
        self._now_ms = now_ms
        self._signing_in = asyncio.Lock()
        self._token: _Token | None = None

    async def fetch(self, lookups: Sequence[Lookup]) -> dict[str, Json]:
        """The documents by `Lookup.name`; None for an optional one that is not there.

        Whole numbers beyond ±2^53 are strings. Raises `CompletionMissing` and `CompletionWaits`.
        """
        return {lookup.name: await self._document(lookup) for lookup in lookups}

    async def page(self, path: str) -> tuple[Json, Mapping[str, str]]:
        """A document and the headers it came with; None where the platform says that there is none (204).

        Raises `CompletionMissing` and `CompletionWaits`.
        """
        answer = await self._get(path)
        if not 200 <= answer.status < 300:
            self._raise_for_all("orders", answer)
            raise CompletionMissing("orders", f"the platform answers {answer.status}")
        return (_json("orders", answer) if answer.status != 204 else None), answer.headers

    async def probe(self) -> str:
        """Sign in and read one document, as a sentence for a person. Raises RelayError("connection_check")."""
        path = self._credentials.probe_path
        name = path.partition("?")[0]
        try:
            document = await self._document(Lookup(name, path))
        except CompletionMissing as error:
            raise RelayError("connection_check", f"{self._shown_url}: {error}.") from error
        except CompletionWaits as error:
            raise RelayError("connection_check", f"{self._shown_url}: {error.detail}.") from error
        total = at(document, "meta", "results", "total")
        found = f", which holds {total}" if isinstance(total, int) else ""
        return f"{self._shown_url} lets us in and answers {name}{found}."

    async def _document(self, lookup: Lookup) -> Json:
        answer = await self._get(lookup.path)
        if answer.status == 204:
            return None
        if 200 <= answer.status < 300:
            document = _json(lookup.name, answer)
            if not lookup.listed or at(document, lookup.listed) != []:
                return document
            if lookup.optional:
                return None
            raise CompletionMissing(lookup.name, "the platform finds none")
        self._raise_for_all(lookup.name, answer)
        if lookup.optional and answer.status in (404, 410):
            return None
        raise CompletionMissing(lookup.name, f"the platform answers {answer.status}")

    async def _get(self, path: str) -> Answer:
        if not path.startswith("/"):
            raise ValueError(f"a lookup's path must begin with a slash: {path!r}")
        token = await self._signed_in(refused=None)
        answer = await self._send("GET", self._base_url + path, self._headers(token))
        if answer.status == 401 and token is not None:
            token = await self._signed_in(refused=token)
            answer = await self._send("GET", self._base_url + path, self._headers(token))
        return answer

    def _headers(self, token: _Token | None) -> dict[str, str]:
        headers = {"Accept": "application/json", **self._credentials.headers}
        if token is not None:
            headers["Authorization"] = token.header
        return headers

    async def _signed_in(self, *, refused: _Token | None) -> _Token | None:
        """A token that is good and not the refused one; those who wait for it share one request."""
        credentials = self._credentials
        if credentials.token_url is None and credentials.token_path is None:
            return None
        address = credentials.token_url or f"{self._base_url}{credentials.token_path}"
        async with self._signing_in:
            token = self._token
            if token is None or token is refused or self._now_ms() >= token.until_ms:
                self._token = token = await self._sign_in(address)
            return token

    async def _sign_in(self, address: str) -> _Token:
        """OAuth 2 client credentials (RFC 6749, 4.4)."""
        form = urlencode(self._credentials.token_form).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._send("POST", address, {**headers, **self._credentials.token_headers}, form)
        self._raise_for_all("signing in", answer)
        if not 200 <= answer.status < 300:
            raise CompletionWaits("completion_refused", f"signing in: the platform answers {answer.status}")
        return self._read_token(_json("signing in", answer))

    def _read_token(self, document: Json) -> _Token:
        token, expires_in_s = at(document, "access_token"), at(document, "expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise CompletionWaits("completion_refused", "signing in: the answer holds no access_token")
        life_s = float(expires_in_s) if isinstance(expires_in_s, int | float) else 2 * EXPIRY_MARGIN_S
        return _Token(f"Bearer {token}", self._now_ms() + int(1000 * max(life_s - EXPIRY_MARGIN_S, life_s / 2)))

    async def _send(self, method: str, address: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        await self._pace.turn()
        request = Request(method, address, headers, body, shown_body=b"")
        return await self._door.send(request, timeout_s=self._timeout_s, max_answer_bytes=MAX_DOCUMENT_BYTES)

    def _raise_for_all(self, name: str, answer: Answer) -> None:
        """For answers that are not about this one document."""
        status = answer.status
        if status in _WAITING or status >= 500:
            said = f"the platform answers {status}" if status else f"{answer.error}: {answer.error_detail}"
            wait_s = retry_after_s(answer.headers, now_ms=self._now_ms())
            if wait_s is None:
                wait_s = milliseconds_s(answer.headers, self._credentials.wait_header)
            raise CompletionWaits("completion_waiting", f"{name}: {said}", wait_s)
        if status in (401, 403):
            raise CompletionWaits("completion_refused", f"{name}: the platform answers {status}")
        if 300 <= status < 400:
            detail = f"{name}: the platform redirects ({status}); base_url must be the final address"
            raise CompletionWaits("completion_refused", detail)


def _json(name: str, answer: Answer) -> Json:
    try:
        return parse_exact(answer.body)
    except ValueError as error:
        detail = f"{name}: the answer is not JSON, or over {MAX_DOCUMENT_BYTES} bytes"
        raise CompletionWaits("completion_waiting", detail) from error
