"""What must hold at the receiver after any trouble."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from relay.demo.segment import SegmentLookalike


def step_of(call: dict[str, object]) -> tuple[str, int]:
    """The (order, step) a stored call tells of; the step is in the total."""
    properties = call["properties"]
    assert isinstance(properties, dict)
    total = properties["value"] if call["event"] == "Checkout Started" else properties["total"]
    return str(properties["order_id"]), round(float(total) * 100) - 1_000


def check_ledger(receiver: SegmentLookalike, acked: Iterable[tuple[str, int]]) -> None:
    """Every acked webhook delivered once, no id with two contents, every order's story in order."""
    acked = set(acked)
    delivered = [step_of(call) for call in receiver.stored]
    missing = acked - set(delivered)
    assert not missing, f"{len(missing)} acked and lost, for example {sorted(missing)[:5]}"
    assert len(delivered) == len(set(delivered)), "a fact was stored under two message ids"
    assert not [drop for drop in receiver.dropped if drop["reason"] != "duplicate"]
    assert all(len(set(contents)) == 1 for contents in receiver.ledger.values()), "an id with two contents"
    stories: dict[str, list[int]] = defaultdict(list)
    for order, step in delivered:
        stories[order].append(step)
    for order, steps in stories.items():
        assert steps == sorted(steps), f"{order} arrived as {steps}"
