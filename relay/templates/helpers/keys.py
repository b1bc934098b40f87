"""Texts that tell one fact from another."""

from __future__ import annotations

from hashlib import sha256 as _sha256
from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError


def message_key(*parts: Any) -> str:
    if not parts:
        raise HelperError("it needs at least one part")
    return "/".join(_part(number, value) for number, value in enumerate(parts, start=1))


def _part(number: int, value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise HelperError(f"part {number} is empty: the document lacks what makes the fact unique")
    if not isinstance(value, str):
        raise HelperError(f"part {number} must be text or a number")
    # So that ("a/b", "c") and ("a", "b/c") stay two keys.
    return value.replace("%", "%25").replace("/", "%2F")


def sha256(text: Any) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise HelperError("the argument must be text; $string makes text of other values")
    return _sha256(text.encode()).hexdigest()


MESSAGE_KEY = Helper(
    "messageKey",
    ("part",),
    "The key of a business fact for `messageId`, from its parts; an empty part is an error.",
    message_key,
    (
        Example('$messageKey("order_completed", "1d67160d")', '"order_completed/1d67160d"'),
        Example(
            '$messageKey("order_updated", 1001, "2026-03-14T09:26:53Z")', '"order_updated/1001/2026-03-14T09:26:53Z"'
        ),
    ),
    variadic=True,
)
SHA256 = Helper(
    "sha256",
    ("text",),
    "SHA-256 of a text in UTF-8, as 64 hexadecimal digits.",
    sha256,
    (
        Example('$sha256("abc")', '"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"'),
        Example("$sha256(nothing)", None),
    ),
)
