"""A case made of a stored event says the same of the masked webhook as the relay does of the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.cases.case import CaseInvalid
from relay.cases.making import new_case
from relay.cases.running import run
from relay.cli.rendering_cases import renders
from relay.model import Event
from relay.settings.loading import load
from relay.settings.options import ElasticPathOptions
from relay.templates.library import Library, packaged_templates
from tests.sources import making

EMAIL = "Ines.Faro@Shop.Example"


def options(**more: Any) -> ElasticPathOptions:
    return ElasticPathOptions.model_validate({"platform": "elasticpath", "open": True} | more)


def order_event(**more: Any) -> Event:
    return making.event(making.envelope(payload=making.order(), **more))


def file_of(event: Event, fetched: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    text = new_case(event, fetched or {}, options(**more), "order_completed").text
    assert "Ines" not in text
    assert "Faro" not in text
    written: dict[str, Any] = json.loads(text)
    return written


def test_the_file_holds_the_webhook_and_when_it_came() -> None:
    written = file_of(order_event())
    assert list(written) == ["webhook", "source", "receivedAt"]
    assert written["source"] == "shop"
    assert written["receivedAt"] == "2023-11-14T22:13:20.000Z"
    customer = written["webhook"]["payload"]["data"]["customer"]
    assert customer == {"name": "Person 1", "email": "person-1@example.com"}


def test_settings_that_are_not_the_default_are_in_it() -> None:
    written = file_of(order_event(), affiliation="Shop", guest_identity="email", shipping_skus=["DHL"])
    assert written["settings"] == {"affiliation": "Shop", "guest_identity": "email", "shipping_skus": ["DHL"]}


def test_a_topic_that_is_not_the_default_is_in_it() -> None:
    event = making.event(making.envelope(triggered_by="order.fulfilled", payload=making.order()), "order.fulfilled")
    assert file_of(event)["settings"] == {"tracking": {"order_completed": ["order.fulfilled"]}}


def test_headers_are_in_it_only_when_the_topic_needs_them() -> None:
    body = making.envelope(payload=making.order())
    del body["triggered_by"]
    event = making.event(body)
    headers = {"x-moltin-integration-trigger": "order.paid", "x-request-id": f"by {EMAIL}"}
    written = file_of(event._replace(headers=json.dumps(headers)))
    assert written["headers"] == {
        "x-moltin-integration-trigger": "order.paid",
        "x-request-id": "by person-1@example.com",
    }


def test_fetched_documents_are_masked_alike() -> None:
    thin = making.envelope(resources={"type": "order", "id": making.ORDER_ID, "by": EMAIL})
    written = file_of(making.event(thin), {"order": making.order()})
    assert written["webhook"]["resources"]["by"] == "person-1@example.com"
    assert written["fetched"]["order"]["data"]["customer"]["email"] == "person-1@example.com"


def test_it_runs_and_says_the_same_but_for_the_person() -> None:
    new = new_case(order_event(), {}, options(), "order_completed")
    rendering = renders(load(None, {}), Library(packaged_templates(), None).snapshot)
    ran = run(new.case, "order_completed", rendering, own=True)
    (call,) = ran.made.calls
    assert call["userId"] == making.CUSTOMER_ID
    assert call["context"]["traits"] == {"email": "person-1@example.com", "name": "Person 1"}
    assert call["properties"]["total"] == 42
    assert call["timestamp"] == "2024-03-01T10:05:00.250Z"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a": 1e999}', b"\xff"])
def test_a_body_that_no_case_can_hold_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, CaseInvalid)):
        new_case(making.event(body), {}, options(), "order_completed")
