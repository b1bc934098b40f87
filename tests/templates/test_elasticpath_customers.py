from __future__ import annotations

import pytest

from relay.templates.rendering import message_id
from tests.templates.making import CUSTOMER_EVENTS, CUSTOMER_ID, call_of, customer, packaged, render


@pytest.mark.parametrize("tracked_event", CUSTOMER_EVENTS)
def test_a_customer_is_identified(tracked_event: str) -> None:
    call = call_of(tracked_event, customer(), tracked_event.replace("_", "."))
    assert (call["type"], call["userId"]) == ("identify", CUSTOMER_ID)
    assert call["traits"] == {
        "email": "grace@example.org",
        "name": "Grace Example",
        "createdAt": "2026-01-02T03:04:05.000Z",
        "externalRef": "crm-7",
    }


@pytest.mark.parametrize("tracked_event", CUSTOMER_EVENTS)
def test_what_the_customer_lacks_is_left_out(tracked_event: str) -> None:
    bare = customer(name="", email=None, external_ref=None, meta={})
    assert call_of(tracked_event, bare)["traits"] == {}


def test_creation_is_one_fact_and_every_version_is_one() -> None:
    def fact(tracked_event: str, updated_at: str) -> str:
        document = customer(meta={"timestamps": {"updated_at": updated_at}})
        return render(packaged(tracked_event), document).calls[0][0]

    assert fact("customer_created", "1") == fact("customer_created", "2")
    assert fact("customer_updated", "1") != fact("customer_updated", "2")
    assert fact("customer_created", "1") == message_id("shop", f"customer_created/{CUSTOMER_ID}")


def test_a_deleted_customer_is_marked() -> None:
    document = {"payload": {"data": {"type": "customer", "id": "c1"}}}
    call = call_of("customer_updated", document, "customer.deleted")
    assert (call["type"], call["userId"], call["traits"]) == ("identify", "c1", {"deleted": True})
