"""What was said of an order before: vendors that take an order as a whole want it again with a refund."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from relay.journal.protocol import Journal
from relay.model import Call, CallId, JsonObject, Selection

MOST_EVENTS = 100
"""Events of one order that are looked through, the newest first."""


class EarlierCalls:
    """Looks in the journal, for calls whose mapping wants it: ``wanted`` tells by destination and call."""

    def __init__(self, journal: Journal, wanted: Callable[[str, Call, JsonObject], bool]) -> None:
        self._journal = journal
        self._wanted = wanted

    async def __call__(self, destination: str, call: Call) -> Sequence[str]:
        """The texts of the kept calls before this one of the same source and order, oldest first.

        Each fact once, as it was told last; and not the call's own fact, when it is a replay's.
        """
        body: JsonObject = orjson.loads(call.text)
        order = _order(body)
        if order is None or not self._wanted(destination, call, body):
            return ()
        found: dict[CallId, Call] = {}
        chosen = Selection(source=call.source, key=str(order))
        for summary in await self._journal.find(chosen, limit=MOST_EVENTS):
            timeline = await self._journal.timeline(summary.id)
            found.update((one.id, one) for one in (timeline.calls if timeline else ()) if one.id < call.id and one.text)
        facts: dict[str, str] = {}
        for _, one in sorted(found.items()):
            said = orjson.loads(one.text)
            if _order(said) == order:
                facts[_fact(one, said)] = one.text
        facts.pop(_fact(call, body), None)
        return list(facts.values())


def _fact(call: Call, body: JsonObject) -> str:
    """The message id, and of a call that a replay forced the one that it would have had."""
    context = body.get("context")
    forced = context.get("relay") if isinstance(context, dict) else None
    of_forced = forced.get("messageId") if isinstance(forced, dict) and forced.get("forced") is True else None
    return of_forced if isinstance(of_forced, str) else call.message_id


def _order(body: JsonObject) -> object:
    properties = body.get("properties")
    return properties.get("order_id") if isinstance(properties, dict) else None
