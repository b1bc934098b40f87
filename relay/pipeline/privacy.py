"""Privacy: finding all that is kept about somebody, and erasing it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay import logs
from relay.journal.protocol import Forgotten, Journal
from relay.model import Audit, Event, EventId, Lane, PrivacyKind, PrivacyRequest, Quarantined, QuarantineId
from relay.sources.contract import Source

PAGE = 20
SCRUBS = 3
_UNMISTAKABLE = 8
"""Characters from which on an id is looked for in any text: a shorter one may be a quantity."""
_OF_A_PERSON = ("customer:", "order:")


@dataclass(frozen=True, slots=True)
class Concerned:
    """What is about the subjects of a request, ascending."""

    event_ids: Sequence[EventId]
    quarantine_ids: Sequence[QuarantineId]


async def find(
    journal: Journal, name: str, source: Source, subjects: Collection[str], *, but: EventId | None = None
) -> Concerned:
    """All of a source's events and refused requests that are about the subjects, but for one event.

    Candidates are found by search keys; what has none (it waits, or could not be read) is read
    whole. A customer's orders lead to the other events of these orders, which may not name the customer.
    """
    wanted = set(subjects)
    while True:
        entities = await _events(journal, name, source, wanted, but)
        more = {entity for entity in entities.values() if entity.startswith(_OF_A_PERSON)} - wanted
        if not more or _of_shop(wanted):
            break
        wanted |= more
    return Concerned(sorted(entities), await _quarantined(journal, name, source, wanted))


async def erase(journal: Journal, concerned: Concerned, at_ms: int) -> Forgotten:
    """Make the journal forget it; the bytes are gone for good after `scrub`."""
    forgotten = await journal.forget(concerned.event_ids, at_ms=at_ms)
    await journal.forget_quarantined(concerned.quarantine_ids)
    return forgotten


async def scrub(journal: Journal, *, rewrite: bool = False) -> bool:
    """Try a few times; False when somebody reads so long that the old bytes stay in the write-ahead log."""
    for _ in range(SCRUBS):
        if await journal.scrub(rewrite=rewrite):
            return True
    return False


async def carry_out(
    journal: Journal, name: str, source: Source, request: PrivacyRequest, *, event_id: EventId, now_ms: int
) -> Audit:
    """Do what a platform asks by the event ``event_id``, and write it down. An erased person's request goes too."""
    concerned = await find(journal, name, source, request.subjects, but=event_id)
    forgotten = Forgotten(len(concerned.event_ids), 0)
    erases = request.kind is not PrivacyKind.DATA_REQUEST
    if erases:
        forgotten = await erase(journal, concerned, now_ms)
    audit = Audit(
        now_ms, name, request.kind, event_id, forgotten.events, forgotten.calls, len(concerned.quarantine_ids)
    )
    await journal.record_audit(audit)
    scrubbed = None
    if erases:
        # Only now: a request that is forgotten is not carried out again after a crash.
        await journal.forget([event_id], at_ms=now_ms)
        scrubbed = await scrub(journal)
    logs.get("privacy").info(
        "privacy_request",
        request=str(request.kind),
        source=name,
        event_id=event_id,
        events=audit.events,
        calls=audit.calls,
        quarantined=audit.quarantined,
        scrubbed=scrubbed,
    )
    return audit


def keys(subjects: Collection[str]) -> list[str]:
    """The search keys that events about these subjects have."""
    return sorted({one.partition(":")[2] for one in subjects})


def _of_shop(subjects: Collection[str]) -> bool:
    return any(one.startswith("shop:") for one in subjects)


async def _events(
    journal: Journal, name: str, source: Source, wanted: Collection[str], but: EventId | None
) -> dict[EventId, str]:
    """The entities of the events that are meant, by id."""
    found: dict[EventId, str] = {}
    after: EventId | None = EventId(0)
    while after is not None:
        step = await journal.candidates(name, None if _of_shop(wanted) else keys(wanted), after=after)
        for start in range(0, len(step.event_ids), PAGE):
            for event in await journal.events(step.event_ids[start : start + PAGE]):
                if event.id != but and await _is_about(journal, source, event, wanted):
                    found[event.id] = event.entity.lower()
        after = step.then
    return found


async def _is_about(journal: Journal, source: Source, event: Event, wanted: Collection[str]) -> bool:
    if event.entity.lower() in wanted:
        return True
    if not event.body:
        return _of_shop(wanted) or await _has_key(journal, event, wanted)
    fetched = await journal.fetched(event.id)
    return _told_by_source(source, event, fetched, wanted)


async def _has_key(journal: Journal, event: Event, wanted: Collection[str]) -> bool:
    """Of an event that has outlived its body, only search keys tell whom it is about, and not its own id."""
    told = await journal.timeline(event.id)
    own = event.entity.lower().partition(":")[2]
    return told is not None and not {key for key in told.keys if key != own}.isdisjoint(keys(wanted))


def _told_by_source(source: Source, event: Event, fetched: Mapping[str, Any], wanted: Collection[str]) -> bool:
    try:
        documents = source.documents(event, fetched)
        return not set(source.subjects(event, documents)).isdisjoint(wanted)
    except Exception:
        # A body that nobody can read, or a defect in reading it, must not keep a person's data.
        return _mentions(event.headers, wanted) or _mentions(event.body.decode("utf-8", "replace"), wanted)


async def _quarantined(journal: Journal, name: str, source: Source, wanted: Collection[str]) -> list[QuarantineId]:
    found: list[QuarantineId] = []
    after = QuarantineId(0)
    while page := await journal.read_quarantine(name, after=after, limit=PAGE):
        after = page[-1].id
        found += [item.id for item in page if _refused_is_about(source, item, wanted)]
    return found


def _refused_is_about(source: Source, item: Quarantined, wanted: Collection[str]) -> bool:
    """By what it says, were it genuine, and by what it mentions anywhere."""
    event = Event(
        EventId(0), Lane.LIVE, 0, item.source, "", "", "", None, item.received_at_ms, item.headers, item.body, None
    )
    text = item.body.decode("utf-8", "replace")
    return _mentions(item.headers, wanted) or _mentions(text, wanted) or _told_by_source(source, event, {}, wanted)


def _mentions(text: str, wanted: Collection[str]) -> bool:
    """Whether a text, which may be JSON, has one of the e-mail addresses, or of the longer ids, as a whole word."""
    if "\\" in text:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text.replace("\\/", "/"))
    text = text.lower()
    return any(
        re.search(rf"(?<![\w.+@-]){re.escape(value)}(?![\w@-])", text) is not None
        for value in keys(wanted)
        if len(value) >= _UNMISTAKABLE and value in text
    )
