"""The ways in which a webhook of a declared platform proves that it is genuine."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence

from relay.model import Webhook
from relay.settings.declaration import (
    PLACEHOLDER,
    AddressScheme,
    AnyScheme,
    HeaderScheme,
    HmacScheme,
    StandardWebhooksScheme,
)
from relay.sources.authentication import (
    MOST_SIGNATURES,
    AddressCheck,
    BasicCheck,
    Check,
    PresentedCheck,
    StandardWebhooksCheck,
    check_age,
    check_signatures,
    header_bytes,
    key,
    present,
    sample_id,
    written,
)


def build_check(scheme: AnyScheme, secrets: Sequence[str], networks: Sequence[str] = ()) -> Check:
    """``networks`` are the source's own, instead of the scheme's.

    Raises RelayError `config_invalid` for a secret of another form than the scheme's.
    """
    if isinstance(scheme, HmacScheme):
        return HmacCheck(scheme, secrets)
    if isinstance(scheme, StandardWebhooksScheme):
        headers = scheme.headers.lower()
        return StandardWebhooksCheck.of(secrets, headers=headers, tolerance_s=scheme.tolerance_s)
    if isinstance(scheme, HeaderScheme):
        return PresentedCheck(scheme.header, scheme.prefix, secrets)
    if isinstance(scheme, AddressScheme):
        return AddressCheck(networks or scheme.networks)
    return BasicCheck(secrets)


class HmacCheck:
    """A keyed digest of what was signed. Sources: the vendors' pages named in docs/sources.md."""

    def __init__(self, scheme: HmacScheme, secrets: Sequence[str]) -> None:
        self._scheme = scheme
        self._keys = [key(secret, scheme.secret_encoding, scheme.secret_prefix) for secret in secrets]
        named = (scheme.header, scheme.timestamp_header, scheme.id_header)
        self.signed_by: Sequence[str] = [header for header in named if header]
        parts = PLACEHOLDER.split(scheme.signed)
        self._before_body = _literal_and_names(parts[: parts.index("body")])
        # From here on a literal comes first again.
        self._after_body = _literal_and_names(parts[parts.index("body") + 1 :])

    def presented(self, webhook: Webhook) -> str:
        return ""

    def check(self, webhook: Webhook, *, now_ms: int) -> None:
        scheme = self._scheme
        value = present(webhook, scheme.header)
        fields = scheme.fields
        listed = _listed(value) if fields else []
        signatures = [text for name, text in listed if fields and name == fields.signature] if fields else [value]
        values = {"timestamp": "", "id": ""}
        if scheme.timestamp_header:
            values["timestamp"] = present(webhook, scheme.timestamp_header)
        elif fields and fields.timestamp:
            values["timestamp"] = next((text for name, text in listed if name == fields.timestamp), "")
        if scheme.id_header:
            values["id"] = present(webhook, scheme.id_header)
        signed = _filled(self._before_body, values) + webhook.body + _filled(self._after_body, values)
        presented = [
            text[len(scheme.prefix) :] for text in signatures[:MOST_SIGNATURES] if text.startswith(scheme.prefix)
        ]
        check_signatures(presented, self._keys, signed, scheme.algorithm, scheme.encoding, scheme.header)
        if values["timestamp"] or "{timestamp}" in scheme.signed:
            check_age(values["timestamp"], now_ms=now_ms, tolerance_s=scheme.tolerance_s)

    def sign(self, body: bytes, *, now_ms: int) -> Mapping[str, str] | None:
        if not self._keys:
            return None
        scheme = self._scheme
        values = {"timestamp": str(now_ms // 1000), "id": sample_id(body)}
        signed = _filled(self._before_body, values) + body + _filled(self._after_body, values)
        value = scheme.prefix + written(hmac.digest(self._keys[0], signed, scheme.algorithm), scheme.encoding)
        if scheme.fields:
            named = [(scheme.fields.timestamp, values["timestamp"]), (scheme.fields.signature, value)]
            value = ",".join(f"{name}={text}" for name, text in named if name)
        headers = {scheme.header: value}
        if scheme.timestamp_header:
            headers[scheme.timestamp_header] = values["timestamp"]
        if scheme.id_header:
            headers[scheme.id_header] = values["id"]
        return headers


def _listed(value: str) -> list[tuple[str, str]]:
    """`t=1,v1=a,v1=b` as pairs."""
    pairs = [part.partition("=") for part in re.split(r"[,;\s]+", value)[: 4 * MOST_SIGNATURES]]
    return [(name, text) for name, _, text in pairs]


def _literal_and_names(parts: Sequence[str]) -> list[tuple[str, bool]]:
    """Parts of a pattern, literals and names in turn, and which of them are names."""
    return [(part, index % 2 == 1) for index, part in enumerate(parts)]


def _filled(parts: Sequence[tuple[str, bool]], values: dict[str, str]) -> bytes:
    return b"".join(header_bytes(values[part] if is_name else part) for part, is_name in parts)
