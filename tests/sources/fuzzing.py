"""Requests that look real and are spoilt, made fast and without end."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from relay.model import Webhook
from relay.packaged import packaged_templates

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.1, 1e308, 2**53 + 1, 2**63, -(2**63), [], {}, [[]], [None], {"": {"": ""}}, [{}] * 3),
    *(
        "",
        " ",
        "\x00",
        "\u2028",
        "null",
        "é" * 300,
        "a@b",
        "x" * 5_000,
        "2026-03-14T09:26:53Z",
        "0001-01-01",
        "{}",
        "[1]",
    ),
)
TOKENS = (
    *(
        b"",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b":",
        b",",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"1e400",
        b"-",
    ),
    *(b"9" * 400, b"NaN", b"null", b"[" * 300, b'{"a":' * 300, b"\xef\xbb\xbf", b"webhook_id=1", b"%7B", b" " * 1_000),
)
VALUES = (
    *(
        "",
        " ",
        ",",
        "=",
        "t=1,v1=2",
        "v1,x",
        "v1a,AAAA",
        "Bearer x",
        "Basic =",
        "Basic dTpw",
        "sha256=",
        "1",
        "9" * 400,
    ),
    *("é", "\xff", "\x00", "a" * 8_000, "..", "eyJhbGciOiJSUzI1NiJ9..x", "null", "orders/paid", "order.paid", "-1"),
)


@dataclass(frozen=True)
class Seed:
    headers: Mapping[str, str]
    body: bytes
    fetched: Mapping[str, Any] = field(default_factory=dict)


def seeds(platform: str) -> list[Seed]:
    """The webhooks of the platform's packaged cases."""
    found = []
    for path in sorted((packaged_templates() / "sources" / platform / "cases").glob("*/*.json")):
        case = json.loads(path.read_text())
        found.append(Seed(case.get("headers", {}), orjson.dumps(case["webhook"]), case.get("fetched", {})))
    return found


class Spoiler:
    """Spoils seeds; the same ``chance`` spoils alike."""

    def __init__(self, chance: random.Random, found: list[Seed], names: list[str]) -> None:
        """``names`` are headers worth spoiling."""
        self._chance = chance
        self._seeds = found
        self._names = names

    def webhook(self) -> Webhook:
        seed = self._chance.choice(self._seeds)
        spoil = self._chance.random()
        body = seed.body if spoil < 0.1 else self._document(seed.body) if spoil < 0.55 else self._bytes(seed.body)
        return Webhook(self._headers(seed.headers), body, self._chance.choice(("", "203.0.113.7", "::1", "x")))

    def fetched(self) -> dict[str, Any]:
        """Fetched documents, some of them of another kind."""
        seed = self._chance.choice(self._seeds)
        return {
            name: copy.deepcopy(self._chance.choice(NASTY)) if self._chance.random() < 0.5 else document
            for name, document in seed.fetched.items()
        }

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        spoilt = dict(headers)
        for _ in range(self._chance.randint(0, 3)):
            name = self._chance.choice(self._names)
            if self._chance.random() < 0.3:
                spoilt.pop(name, None)
            else:
                spoilt[name] = self._chance.choice(VALUES)
        return spoilt

    def _document(self, body: bytes) -> bytes:
        document = orjson.loads(body)
        for _ in range(self._chance.randint(1, 3)):
            holder: Any = document
            while True:
                keys = list(holder) if isinstance(holder, dict) else range(len(holder))
                if not keys:
                    break
                key = self._chance.choice(keys)
                if isinstance(holder[key], dict | list) and holder[key] and self._chance.random() < 0.7:
                    holder = holder[key]
                    continue
                holder[key] = copy.deepcopy(self._chance.choice(NASTY))
                break
        try:
            return orjson.dumps(document)
        except TypeError:
            return json.dumps(document).encode()  # whole numbers beyond 64 bits

    def _bytes(self, body: bytes) -> bytes:
        for _ in range(self._chance.randint(1, 3)):
            at, until = sorted((self._chance.randint(0, len(body)), self._chance.randint(0, len(body))))
            deed = self._chance.random()
            if deed < 0.4:
                body = body[:at] + self._chance.choice(TOKENS) + body[at:]
            elif deed < 0.6:
                body = body[:at] + body[min(until, at + 40) :]
            elif deed < 0.7:
                body = body[:at]
            elif deed < 0.85:
                body = body[:until] + body[at:until] + body[until:]
            else:
                other = self._chance.choice(self._seeds).body
                body = body[:at] + other[self._chance.randint(0, len(other)) :]
        return body
