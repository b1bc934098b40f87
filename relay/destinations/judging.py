"""From an answer to a decision, where its status says enough: what kinds have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from relay.destinations.answers import shown
from relay.destinations.contract import Answer, Decision
from relay.destinations.retry_after import rate_limit_reset_s, retry_after_s
from relay.model import VerdictKind

Row: TypeAlias = tuple[int, int, VerdictKind, str]
"""First status, last status, verdict, code."""

USUAL: Sequence[Row] = (
    (200, 299, VerdictKind.DELIVERED, "accepted"),
    (300, 399, VerdictKind.MISCONFIGURED, "redirected"),
    (401, 401, VerdictKind.MISCONFIGURED, "key_refused"),
    (403, 403, VerdictKind.MISCONFIGURED, "key_refused"),
    (404, 404, VerdictKind.MISCONFIGURED, "path_unknown"),
    (408, 408, VerdictKind.RETRY, "server_error"),
    (410, 410, VerdictKind.MISCONFIGURED, "path_unknown"),
    (413, 413, VerdictKind.SPLIT, "batch_refused"),
    (429, 429, VerdictKind.RETRY, "rate_limited"),
    (460, 460, VerdictKind.MISCONFIGURED, "not_supported"),
    (400, 499, VerdictKind.SPLIT, "batch_refused"),
)
"""Of vendors who document nothing else; put a kind's own rows before them. The first that holds a status decides."""

_ANY_OTHER = (VerdictKind.RETRY, "server_error")

# Codes of "no answer" that waiting does not mend.
_LASTING = frozenset({"tls_failed", "address_refused"})


def by_status(answer: Answer, rows: Sequence[Row], *, records: int, secrets: Sequence[str], now_ms: int) -> Decision:
    """The first row that holds the status; none: retry. What would be split, but is one record, is rejected."""
    if answer.status <= 0:
        verdict = VerdictKind.MISCONFIGURED if answer.error in _LASTING else VerdictKind.RETRY
        return Decision(verdict, answer.error or "connection_failed", shown(answer.error_detail, secrets))
    verdict, code = next((row[2:] for row in rows if row[0] <= answer.status <= row[1]), _ANY_OTHER)
    if verdict is VerdictKind.SPLIT and records <= 1:
        verdict, code = VerdictKind.REJECT, "call_refused"
    wait_s = _wait_s(answer, now_ms) if verdict is VerdictKind.RETRY else None
    return Decision(verdict, code, told(answer, secrets), wait_s)


def told(answer: Answer, secrets: Sequence[str]) -> str:
    """Status and text of an answer, and of a redirect where it leads."""
    parts = [str(answer.status), shown(answer.body, secrets)]
    if 300 <= answer.status <= 399:
        parts.insert(1, _target(shown(answer.headers.get("location", ""), secrets)))
    return " ".join(filter(None, parts))


def _wait_s(answer: Answer, now_ms: int) -> float | None:
    wait_s = retry_after_s(answer.headers, now_ms=now_ms)
    if wait_s is None and answer.status == 429:
        wait_s = rate_limit_reset_s(answer.headers, now_ms=now_ms)
    return wait_s


def _target(location: str) -> str:
    """Where a redirect leads, without the path: that may hold what must not be shown."""
    if not location:
        return ""
    try:
        parts = urlsplit(location)
        host = parts.hostname
    except ValueError:
        return "to an unreadable address:"
    return f"to {parts.scheme or 'http'}://{host}:" if host else "to another path of the same host:"
