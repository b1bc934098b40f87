"""A signature over a body that stands apart from it: detached JWS by RS256 (RFC 7515, appendix F; RFC 7797)."""

from __future__ import annotations

from relay.sources.contract import KeyOutdated, Refused
from relay.sources.fields import at, text
from relay.sources.json_text import parse
from relay.sources.key_set import KeySet, from_base64url

LONGEST = 8_192
"""Characters of a signature: of the longest key that is taken, with room for its header."""


def check_detached(value: str, body: bytes, keys: KeySet) -> None:
    """Check ``header..signature`` over the raw body.

    The algorithm is RS256 whatever the header says; its one critical extension is ``b64``, which is false. Raises
    `Refused`; as `KeyOutdated` when a key published since could still have made the signature.
    """
    protected, between, encoded = [*value.split("."), "", "", ""][:3] if len(value) <= LONGEST else ("", "", "")
    try:
        header, signature = parse(from_base64url(protected)), from_base64url(encoded)
    except ValueError:
        raise Refused("signature_mismatch", "the signature is no detached JWS") from None
    if between or value.count(".") != 2 or not signature:
        raise Refused("signature_mismatch", "the signature is no detached JWS")
    if at(header, "alg") != "RS256" or at(header, "b64") is not False or at(header, "crit") != ["b64"]:
        raise Refused("signature_mismatch", "the signature is not RS256 over the raw body")
    key_id = text(at(header, "kid"))
    if key_id is None:
        raise Refused("signature_mismatch", "the signature names no key")
    if key_id not in keys:
        raise KeyOutdated("signature_key_unknown", "the signature is by a key that is not among those published")
    if not keys.verifies(key_id, signature, protected.encode("ascii") + b"." + body):
        raise KeyOutdated("signature_mismatch", "the signature is not made of this body with the key that it names")
