"""Up to a million spoilt requests over every platform there is: nothing but the documented errors."""

from __future__ import annotations

import base64
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from relay.codes import CODES, RelayError
from relay.model import Event, EventId, Lane, Quarantined, QuarantineId, Received, Webhook
from relay.settings.options import RelayOptions
from relay.settings.packaged import packaged_declarations
from relay.settings.tables import is_secret, variant, variants
from relay.sources import PLATFORMS, build_source
from relay.sources.contract import Refused, Source, Unsignable
from relay.templates.expressions import Expressions
from tests.sources.declared_making import NOW_MS
from tests.sources.fuzzing import Seed, Spoiler, seeds

SECRETS = ("a-secret-of-the-tests", "whsec_" + base64.b64encode(bytes(range(24))).decode())
EVERYWHERE = ["authorization", "content-type", "webhook-id", "webhook-timestamp", "webhook-signature"]
FOUND = sorted({*PLATFORMS, *packaged_declarations()})


def source_of(platform: str, *, is_open: bool) -> Source:
    """With whichever secrets its options take, where it is not open."""
    model = variant(variants(RelayOptions.model_fields["sources"]), platform)
    assert model is not None
    needed = {name: "https://example.com" for name, option in model.model_fields.items() if option.is_required()}
    problems: list[Exception] = []
    for secret in SECRETS:
        secrets = {name: secret for name, option in model.model_fields.items() if is_secret(option)}
        for chosen in (secrets, {name: secret for name in secrets if name == "secret"}):
            options: dict[str, Any] = {**needed, **chosen, "platform": platform}
            if "open" in model.model_fields:
                options["open"] = is_open
            try:
                read = RelayOptions.model_validate({"sources": {platform: options}})
                return build_source(platform, read.sources[platform], Expressions())
            except (ValidationError, RelayError) as problem:
                problems.append(problem)
    raise AssertionError(f"{platform}: no options were found for it: {problems}")


def headers_of(found: list[Seed], source: Source) -> list[str]:
    """Headers that the platform knows of: those of its cases, and those named in its refusals."""
    names = {name for seed in found for name in seed.headers}
    checks = [vars(check) for check in vars(source).values() if hasattr(check, "signed_by")]
    names |= {header for check in checks for header in check.get("signed_by", ())}
    return sorted({*names, *EVERYWHERE})


class Fuzzing:
    """One platform under fire."""

    def __init__(self, platform: str, chance: random.Random) -> None:
        found = seeds(platform) or [Seed({}, b"{}")]
        self.platform = platform
        self._chance = chance
        self.sources = [source_of(platform, is_open=True), source_of(platform, is_open=False)]
        self._spoiler = Spoiler(chance, found, headers_of(found, self.sources[1]))
        self.ended: Counter[str] = Counter()

    def shoot(self) -> None:
        came = self._spoiler.webhook()
        for source in self.sources:
            request = self._signed(source, came)
            try:
                received = source.receive(request, now_ms=NOW_MS)
            except Refused as refused:
                assert refused.code in CODES  # noqa: PT017
                self.ended[refused.code] += 1
                self._quarantined(source, request)
            else:
                self.ended["received"] += 1
                self._worked(source, received)

    def _signed(self, source: Source, request: Webhook) -> Webhook:
        """Now and then it is genuine, so that what is behind the signature is met as well."""
        if self._chance.random() < 0.8:
            return request
        try:
            signature = source.sign(request.body, "order.paid", now_ms=NOW_MS)
        except Unsignable:
            return request
        return Webhook({**signature, **request.headers}, request.body, request.client)

    def _quarantined(self, source: Source, request: Webhook) -> None:
        kept, presented = source.strip(request), source.presented(request)
        headers = orjson.dumps(dict(kept.headers)).decode()
        source.is_ping(request)
        item = Quarantined(QuarantineId(1), self.platform, headers, kept.body, "", "", NOW_MS)
        try:
            source.recheck(item, lambda secret: secret == presented)
        except Refused as refused:
            assert refused.code in CODES  # noqa: PT017

    def _worked(self, source: Source, received: Received) -> None:
        assert received.topic
        assert received.delivery_key
        assert received.entity
        headers = orjson.dumps(dict(received.headers)).decode()
        event = Event(
            EventId(1), Lane.LIVE, 0, self.platform, received.topic, received.delivery_key, received.entity,
            received.occurred_at_ms, NOW_MS, headers, received.body, None,
        )  # fmt: skip
        for fetched in ({}, self._spoiler.fetched()):
            self._documented(source, event, fetched)
        for lookup in source.lookups(event):
            assert lookup.path.startswith("/")
        try:
            source.privacy(event)
        except ValueError:
            self.ended["privacy: ValueError"] += 1

    def _documented(self, source: Source, event: Event, fetched: Mapping[str, Any]) -> None:
        try:
            documents = source.documents(event, fetched)
        except ValueError:
            self.ended["documents: ValueError"] += 1
            return
        for document in documents:
            assert all(isinstance(key, str) and key for key in source.keys(document))
            orjson.dumps(document)
        source.subjects(event, documents)


@pytest.mark.parametrize(
    ("most", "budget_s"),
    [(300, 3.0), pytest.param(1_000_000, float(os.environ.get("RELAY_FUZZ_S", "60")), marks=pytest.mark.long)],
)
def test_spoilt_requests_end_as_documented(most: int, budget_s: float) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    fuzzed = [Fuzzing(platform, chance) for platform in FOUND]
    ends_s = time.monotonic() + budget_s
    shot = 0
    while shot < most and (time.monotonic() < ends_s or shot < len(fuzzed)):
        one = fuzzed[shot % len(fuzzed)]
        shot += 1
        try:
            one.shoot()
        except Exception as error:
            error.add_note(f"platform {one.platform}, request {shot} of seed {seed}")
            raise
    for one in fuzzed:
        print(f"{one.platform}: {dict(one.ended.most_common())}")  # noqa: T201 - told by pytest -s, and on failure
    print(f"{shot} requests, seed {seed}")  # noqa: T201
    assert all(one.ended["received"] for one in fuzzed if most > 1_000)
