"""Any declaration, any request: a source receives it or refuses it, and does nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.codes import CODES
from relay.model import Event, EventId, Lane, Quarantined, QuarantineId, Webhook
from relay.settings.declaration import Declaration
from relay.settings.options import DeclaredOptions
from relay.settings.packaged import CONTEXT
from relay.sources.contract import Refused
from relay.sources.declared.source import DeclaredSource
from relay.templates.expressions import Expressions
from tests.sources.declared_making import NOW_MS, NOW_S

SECRETS = ["whsec_" + base64.b64encode(bytes(range(24))).decode(), "00ff"]
"""One is base64, after its prefix, and one hex; both are text."""
HEADERS = ["x-a", "x-b", "x-c", "authorization", "webhook-id", "webhook-timestamp", "webhook-signature", "svix-id"]
EXPRESSIONS = [
    *(
        "type",
        "id",
        "a",
        "a.b",
        "$",
        "$headers",
        "$headers.`x-a`",
        "**",
        "*",
        "a[0]",
        "a[type='b'].c",
        "$string($)",
    ),
    *("$sum(a)", "$number(id)", "$error('no')", "($f := function($x) { $f($x) + 1 }; $f(1))", "[1..100]", "$keys(a)"),
    *("$toMillis(time)", "$match(id, /(a+)+$/)", "$split(id, '')", "a ~> |$|{'b': 1}|", "$join([a, b])", "$now()"),
]
headers = st.sampled_from(HEADERS)
expressions = st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=3)


@st.composite
def hmacs(draw: st.DrawFn) -> dict[str, Any]:
    listed = draw(st.booleans())
    timed, identified = draw(st.booleans()), draw(st.booleans())
    parts = ["{body}", *(["{timestamp}"] if timed else []), *(["{id}"] if identified else [])]
    scheme: dict[str, Any] = {
        "scheme": "hmac",
        "header": draw(headers),
        "algorithm": draw(st.sampled_from(["sha1", "sha256", "sha512"])),
        "encoding": draw(st.sampled_from(["hex", "base64"])),
        "prefix": draw(st.sampled_from(["", "sha256=", "é"])),
        "signed": draw(st.sampled_from([".", "", "é:"])).join(draw(st.permutations(parts))),
        "secret_encoding": "text",
    }
    if listed:
        scheme["fields"] = {"signature": "s", **({"timestamp": "t"} if timed else {})}
    elif timed:
        scheme["timestamp_header"] = draw(headers)
    if identified:
        scheme["id_header"] = draw(headers)
    return scheme


schemes = (
    hmacs()
    | st.just({"scheme": "standard-webhooks"})
    | st.builds(lambda name: {"scheme": "header", "header": name, "prefix": "Token "}, headers)
    | st.just({"scheme": "basic"})
    | st.just({"scheme": "addresses", "networks": ["192.0.2.0/24", "2001:db8::/32"]})
)
unwraps = st.builds(
    lambda at, encoding: {"at": at, "encoding": encoding},
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["text", "base64", "object"]),
)


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "title": "Acme",
        "authentication": draw(st.lists(schemes, min_size=1, max_size=3)),
        "unwrap": draw(st.lists(unwraps, max_size=2)),
        "event": {
            "topic": draw(expressions),
            "delivery_key": draw(expressions),
            "entity": {"order": draw(expressions), "object": draw(expressions)},
            "time": draw(expressions),
            "keys": draw(expressions),
            "headers": draw(st.lists(headers, max_size=2)),
        },
        "commerce": {"headers": {"Authorization": "{token}"}},
        "lookups": [
            {"name": "a", "topics": ["b"], "path": f"/x/{{{draw(st.sampled_from(EXPRESSIONS[:6]))}}}", "into": "a.b"}
        ],
    }


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["b", "2026-03-14"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "a", "b", "c", "time"]), inner, max_size=4)
    ),
    max_leaves=10,
)
written = st.sampled_from(["v1,x v1a,AAAA", f"t={NOW_S},s=ab", NOW_S, "9" * 30, "Basic =", "Token x"])
# Servers read headers as Latin-1.
requests = st.builds(
    Webhook,
    headers=st.dictionaries(headers, st.text(st.characters(codec="latin-1"), max_size=20) | written),
    body=st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()),
    client=st.sampled_from(["", "192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "x", "é"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(declaration=declarations(), requested=st.lists(requests, min_size=1, max_size=8), now_ms=st.integers(0, 10**14))
def test_any_declaration_receives_or_refuses_any_request(
    declaration: dict[str, Any], requested: list[Webhook], now_ms: int
) -> None:
    context = {CONTEXT: {"acme": Declaration.model_validate(declaration, strict=True)}}
    secret = SECRETS[:1] if {"scheme": "standard-webhooks"} in declaration["authentication"] else SECRETS
    for is_open in (False, True):
        options = {"platform": "acme", "secret": secret, "open": is_open}
        source = DeclaredSource(DeclaredOptions.model_validate(options, context=context), Expressions())
        for request in requested:
            received_or_refused(source, request, now_ms)


def received_or_refused(source: DeclaredSource, request: Webhook, now_ms: int) -> None:
    try:
        came = source.receive(request, now_ms=now_ms)
    except Refused as refused:
        assert refused.code in CODES  # noqa: PT017
        assert not any(secret in refused.detail for secret in SECRETS)  # noqa: PT017
        quarantined(source, request)
        return
    assert came.topic.isprintable()
    assert came.delivery_key
    assert came.entity
    event = Event(
        EventId(1),
        Lane.LIVE,
        0,
        "acme",
        came.topic,
        came.delivery_key,
        came.entity,
        None,
        NOW_MS,
        "{}",
        came.body,
        None,
    )
    for document in source.documents(event, {"a": [1]}):
        assert all(isinstance(key, str) and key for key in source.keys(document))
    for lookup in source.lookups(event):
        assert lookup.path.startswith("/x/")
        assert ".." not in lookup.path.split("/")


def quarantined(source: DeclaredSource, request: Webhook) -> None:
    """It is kept without secrets, and what is kept can be checked again."""
    kept = source.strip(request)
    presented = source.presented(request)
    item = Quarantined(QuarantineId(1), "acme", json.dumps(dict(kept.headers)), kept.body, "", "", NOW_MS)
    try:
        source.recheck(item, lambda secret: secret == presented)
    except Refused as refused:
        assert refused.code in CODES  # noqa: PT017
