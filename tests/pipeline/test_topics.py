"""Which tracked events a topic makes."""

from __future__ import annotations

import pytest

from relay.pipeline.rendering import Tracking

USUAL = {"order_completed": ["track:Order Completed"], "track": ["track:*"], "page": ["page"]}


@pytest.mark.parametrize(
    ("chosen", "ignored", "made"),
    [
        ({}, (), {"Order Completed": ["order_completed"], "Signed Up": ["track"], "": ["track"]}),
        ({"order_completed": []}, (), {"Order Completed": "off", "Signed Up": ["track"]}),
        ({"order_completed": ["track:Purchase"]}, (), {"Order Completed": "off", "Purchase": ["order_completed"]}),
        ({"track": []}, (), {"Order Completed": ["order_completed"], "Signed Up": "off"}),
        ({"track": ["track:Signed Up"]}, (), {"Signed Up": ["track"], "Signed Down": "off"}),
        ({}, ("track:Signed Up",), {"Signed Up": "off", "Signed Down": ["track"]}),
        ({}, ("track:Signed*",), {"Signed Up": "off", "Order Completed": ["order_completed"]}),
    ],
)
def test_a_name_goes_before_a_pattern(
    chosen: dict[str, list[str]], ignored: tuple[str, ...], made: dict[str, list[str] | str]
) -> None:
    tracking = Tracking.of({**USUAL, **chosen}, USUAL, {}, ignored)
    for event, expected in made.items():
        found = list(tracking.tracked_events(f"track:{event}"))
        assert found == ([] if expected == "off" else expected)
        assert tracking.is_switched_off(f"track:{event}") is (expected == "off")
    assert tracking.tracked_events("screen") == ()
    assert not tracking.is_switched_off("screen")
