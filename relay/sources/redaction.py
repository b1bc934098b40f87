"""Taking secrets out of bodies and headers, with every other byte left as it came.

What goes: the value of every JSON member ``secret_key``, however it is spelled and also inside
JSON that is kept as text; and every known secret in any other text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

MASK = "***"
LONGEST_SCANNED_BYTES = 1024 * 1024

_MEMBER = r'("secret_key"\s*+:\s*+)"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BYTES_MEMBER = re.compile(_MEMBER.encode(), re.DOTALL)
_TEXT_MEMBER = re.compile(_MEMBER, re.DOTALL)
# A text; then, when it is a member's name, the colon; then the value, unless that is a text or has members
# itself. A text without an end is one too: trying each of its quotes as a start would take quadratic time.
_TEXT = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)("?+)(?:(\s*+:\s*+)([^\s"{}\[\],:]++)?+)?+', re.DOTALL)
# Characters that no JSON encoder escapes, and such a character, or a backslash, escaped nevertheless.
_PLAIN = re.compile(r"[ !#$%()*,\-.0-9:;?@A-Z\[\]^_a-z{|}~]+")
_DISGUISE = re.compile(rb"\\u00(?:2[0134589ACDEacde]|3[0-9ABFabf]|[45][0-9A-Fa-f]|6[1-9A-Fa-f]|7[0-9A-Ea-e])")
_SECRET_HEADER = re.compile(r"secret|token|key|signature|auth|cookie|password|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secret:
    """A known secret. ``core`` is the longest part of it that looks the same however it is encoded."""

    text: str
    core: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(text, max(_PLAIN.findall(text), key=len, default="").encode())


def without_secrets(body: bytes, secrets: Sequence[Secret]) -> tuple[bytes, bool]:
    """The body of a webhook without secrets, and whether any stood outside a plain ``secret_key`` member.

    JSON stays JSON. Costs a few microseconds unless there are signs of a secret in an odd place.
    """
    kept, odd = _blank_members(body, secrets)
    return (_scan_bytes(kept, secrets), True) if odd else (kept, False)


def quarantine_body(body: bytes, secrets: Sequence[Secret]) -> bytes:
    """Like `without_secrets` for bytes of any kind, from anyone: never raises, and bounded in time.

    A body over `LONGEST_SCANNED_BYTES` with a secret in an odd place is given up: nothing is kept.
    """
    kept, odd = _blank_members(body, secrets)
    if not odd:
        return kept
    if len(kept) > LONGEST_SCANNED_BYTES:
        return b""
    kept = _scan_bytes(kept, secrets)
    for secret in secrets:
        kept = kept.replace(secret.text.encode("utf-8", "surrogatepass"), MASK.encode())
    return kept


def quarantine_headers(
    headers: Mapping[str, str], secrets: Sequence[Secret], signed_by: Collection[str] = ()
) -> dict[str, str]:
    """All headers; of those that may hold a secret, only that they were present.

    ``signed_by`` are the platform's own headers with a signature, which are no secret and are kept.
    """
    return {
        name: "present" if name not in signed_by and _SECRET_HEADER.search(name) else _masked_header(value, secrets)
        for name, value in headers.items()
    }


def chosen_headers(headers: Mapping[str, str], names: Sequence[str], secrets: Sequence[Secret]) -> dict[str, str]:
    """Those headers of ``names`` that are there."""
    return {name: _masked_header(headers[name], secrets) for name in names if name in headers}


def _blank_members(body: bytes, secrets: Sequence[Secret]) -> tuple[bytes, bool]:
    """Plain members blanked, and whether the rest shows signs of a secret.

    The signs are complete: what is not a plain member is one in text or of another type, and then
    the name is still counted; or it is spelled with escapes; or it is a known secret elsewhere.
    """
    names = body.count(b"secret_key")
    kept, blanked = _BYTES_MEMBER.subn(rb'\1""', body) if names else (body, 0)
    odd = (
        names != blanked
        or any(secret.core in kept for secret in secrets)
        or (b"\\" in kept and b"\\u00" in kept and _DISGUISE.search(kept) is not None)
    )
    return kept, odd


def _scan_bytes(body: bytes, secrets: Sequence[Secret]) -> bytes:
    text = _scan(body.decode("utf-8", "surrogateescape"), secrets)
    return text.encode("utf-8", "surrogateescape")


def _scan(text: str, secrets: Sequence[Secret]) -> str:
    """``text``, which should be JSON, with secrets taken out of each text in it."""
    value_at = -1

    def clean(match: re.Match[str]) -> str:
        nonlocal value_at
        raw, end, colon, scalar = match.groups("")
        if match.start() == value_at:
            return '""' + colon + scalar
        content = _content(raw)
        if content == "secret_key":
            value_at = match.end()
            return match[0] if scalar in ("", "null") else f'"{raw}"{colon}""'
        spelled = _masked(raw, secrets)
        if content is not None:
            cleaned = _masked(_without_members(content, secrets), secrets)
            if _content(spelled) != cleaned:
                # The secret was in there with escapes, so this text is spelled anew.
                spelled = json.dumps(cleaned)[1:-1]
        return f'"{spelled}{end}{colon}{scalar}'

    return _TEXT.sub(clean, text)


def _without_members(content: str, secrets: Sequence[Secret]) -> str:
    """A text that may be JSON itself. Escapes double with each level, so that the length bounds the depth."""
    if '"' not in content:
        return content
    return _scan(_TEXT_MEMBER.sub(r'\1""', content), secrets)


def _content(raw: str) -> str | None:
    """What a JSON text says; None when it is not JSON after all, which quarantine may hold."""
    if "\\" not in raw:
        return raw
    try:
        return str(json.loads(f'"{raw}"'))
    except ValueError:
        return None


def _masked_header(value: str, secrets: Sequence[Secret]) -> str:
    # Headers are kept as JSON, which cannot hold a lone surrogate.
    return _masked(value, secrets).encode("utf-8", "replace").decode()


def _masked(text: str, secrets: Sequence[Secret]) -> str:
    for secret in secrets:
        text = text.replace(secret.text, MASK)
    return text
