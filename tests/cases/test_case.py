"""Case files: all that is wrong with one is told, with what was probably meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.cases.case import Case, CaseInvalid, read_case, settings_of
from relay.settings.options import ElasticPathOptions, TrackingOptions
from tests.cases.making import WEBHOOK, case


def problems(text: str) -> list[str]:
    with pytest.raises(CaseInvalid) as caught:
        read_case(text, "elasticpath", "order_completed")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ({"calss": []}, "unknown key `calss`; did you mean `calls`?"),
        ({"zebra": 1}, "unknown key `zebra`; known: calls, fetched,"),
        ({"webhook": []}, "`webhook` is not an object"),
        ({"headers": {"X-Topic": "a"}}, "`headers`: 'X-Topic' must be a name in lower case with a text"),
        ({"headers": {"x": 1}}, "`headers`: 'x' must be a name in lower case with a text"),
        ({"fetched": []}, "`fetched` is not an object"),
        ({"source": ""}, "`source` is not the name of a source"),
        ({"source": 1}, "`source` is not the name of a source"),
        ({"receivedAt": "yesterday"}, "`receivedAt` is not a time with a zone"),
        ({"receivedAt": "2026-03-14T09:00:00"}, "`receivedAt` is not a time with a zone"),
        ({"receivedAt": 1}, "`receivedAt` is not a time with a zone"),
        ({"calls": {}}, "`calls` is not an array of objects"),
        ({"calls": [1]}, "`calls` is not an array of objects"),
        ({"outcomes": [{"outcome": "dead", "code": "template_faild"}]}, "did you mean `template_failed`?"),
        ({"outcomes": [{"outcome": "delivered", "code": "accepted"}]}, "known: dead, ignored, skipped"),
        ({"outcomes": [{"outcome": "dead", "cod": "x"}]}, "unknown key `cod`; did you mean `code`?"),
        ({"outcomes": [{"outcome": [], "code": {}}]}, "`outcome` is []"),
        ({"settings": 1}, "`settings` is not an object"),
        ({"settings": {"guest_identiy": 1}}, "unknown option `guest_identiy`; did you mean `guest_identity`?"),
        ({"settings": {"secret": "x"}}, "unknown option `secret`"),
        ({"settings": {"commerce": {}}}, "unknown option `commerce`"),
        ({"settings": {"guest_identity": "emial"}}, "`settings.guest_identity`: expected `email_hash` or"),
        ({"settings": {"tracking": {"order_complete": []}}}, "did you mean `order_completed`?"),
    ],
)
def test_what_is_wrong_is_told(member: dict[str, Any], told: str) -> None:
    assert any(told in found for found in problems(json.dumps({"webhook": WEBHOOK} | member)))


def test_everything_is_told_at_once() -> None:
    assert len(problems('{"calls": 1, "calss": 2, "settings": {"affilliation": "x"}}')) == 4
    assert problems('{"webhook": {}, "webhook": {}}') == ["`webhook` is given twice"]
    assert problems('{"webhook": {}') == ["Expecting '}': line 1 column 15 (char 14)"]


def test_the_body_is_byte_for_byte_what_the_file_says() -> None:
    body = '{ "id" :820982911946154508,"price":1.50, "note":"caf\\u00e9 ✓" }'
    text = f'{{"receivedAt": "2026-03-14T10:26:53.045+01:00", "webhook": {body}}}'
    read = read_case(text, "elasticpath", "order_completed")
    assert read.webhook.body == body.encode()
    assert read.received_at_ms == 1_773_480_413_045


def test_settings_are_the_platform_s_defaults_but_for_those_of_the_case() -> None:
    assert set(settings_of("elasticpath")) == {"guest_identity", "affiliation", "shipping_skus", "tracking"}
    options = case(settings={"affiliation": "Shop"}).options
    assert isinstance(options, ElasticPathOptions)
    assert (options.affiliation, options.guest_identity, options.secret) == ("Shop", "email_hash", [])


def tracking_of(read: Case) -> TrackingOptions:
    assert isinstance(read.options, ElasticPathOptions)
    return read.options.tracking


def test_only_the_case_s_own_tracked_event_is_on() -> None:
    assert tracking_of(case()).model_dump(exclude_defaults=True).keys() >= {"order_updated", "customer_created"}
    assert {name: topics for name, topics in tracking_of(case()).model_dump().items() if topics} == {
        "order_completed": ["order.paid"]
    }
    own = case(settings={"tracking": {"order_completed": "order.fulfilled", "order_updated": "order.paid"}})
    assert tracking_of(own).order_completed == ["order.fulfilled"]
    assert tracking_of(own).order_updated == []


def test_a_case_without_an_expected_side_is_new() -> None:
    assert case().expected is None
    assert case(calls=[]).expected is not None
    assert case(outcomes=[]).expected is not None
