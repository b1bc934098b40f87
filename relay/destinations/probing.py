"""How `relay check` tries a destination without sending it anything."""

from __future__ import annotations

from urllib.parse import urlsplit

from relay.destinations.contract import Answer, Decision, Request
from relay.model import VerdictKind

SEGMENT_HOSTS = ("api.segment.io", "events.eu1.segmentapis.com")
SETTINGS = "https://cdn.segment.com/v1/projects/{key}/settings"
"""Tells whether a write key exists, for both regions (Segment's own destination asks it so)."""


def segment_probe(host: str, key: str) -> Request:
    """For Segment itself the settings of the key; for another receiver its front page, if only to reach it."""
    url = SETTINGS.format(key=key) if is_segment(host) else f"{host.rstrip('/')}/"
    return Request("GET", url, {}, b"", b"")


def is_segment(host: str) -> bool:
    return urlsplit(host).hostname in SEGMENT_HOSTS


def read_segment_probe(host: str, answer: Answer) -> Decision:
    """``delivered`` means all is well, ``retry`` that it could not be found out."""
    if not answer.status:
        # What is asked at Segment is another host than the destination's: it proves nothing to miss it.
        lasting = answer.error in ("address_refused", "tls_failed", "host_unknown") and not is_segment(host)
        verdict = VerdictKind.MISCONFIGURED if lasting else VerdictKind.RETRY
        return Decision(verdict, answer.error, answer.error_detail)
    if not is_segment(host):
        return Decision(
            VerdictKind.DELIVERED, "accepted", f"{host} answers; whether it takes the key shows at the first call"
        )
    if answer.status == 200:
        return Decision(VerdictKind.DELIVERED, "accepted", "Segment knows the write key")
    if answer.status in (400, 403, 404):
        return Decision(VerdictKind.MISCONFIGURED, "key_refused", "Segment knows no source with this write key")
    return Decision(VerdictKind.RETRY, "server_error", f"Segment answers {answer.status} when asked for the write key")
