"""E-mail addresses and names."""

from __future__ import annotations

from hashlib import sha256 as _sha256
from typing import Any

from relay.templates.helpers.contract import Example, Helper, HelperError


def email(text: Any) -> str | None:
    if text is None:
        return None
    return _text(text).strip().lower() or None


def email_hash(text: Any) -> str | None:
    address = email(text)
    return None if address is None else _sha256(address.encode()).hexdigest()


def name_parts(full: Any) -> dict[str, str] | None:
    if full is None:
        return None
    words = _text(full).split(maxsplit=1)
    if not words:
        return None
    return dict(zip(("firstName", "lastName"), (word.strip() for word in words), strict=False))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise HelperError("the argument must be text")
    return value


EMAIL = Helper(
    "email",
    ("text",),
    "An e-mail address trimmed and in lower case.",
    email,
    (
        Example('$email(" Ada@Example.com ")', '"ada@example.com"'),
        Example('$email("  ")', None),
    ),
)
EMAIL_HASH = Helper(
    "emailHash",
    ("email",),
    "SHA-256 of an e-mail address, trimmed and in lower case, as 64 hexadecimal digits.",
    email_hash,
    (
        Example(
            '$emailHash(" Ada@Example.com ")', '"b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"'
        ),
        Example("$emailHash(customer.email)", None),
    ),
)
NAME_PARTS = Helper(
    "nameParts",
    ("full",),
    "First and last name of a full name, split at the first space.",
    name_parts,
    (
        Example('$nameParts("Ada King Lovelace")', '{"firstName":"Ada","lastName":"King Lovelace"}'),
        Example('$nameParts("Ada")', '{"firstName":"Ada"}'),
        Example('$nameParts("")', None),
    ),
)
