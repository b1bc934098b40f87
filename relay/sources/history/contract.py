"""What a platform's history is: pages of orders, and the webhooks that would have told of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from relay.model import Json, JsonObject


class Fact(NamedTuple):
    """Something that an order tells.

    ``document`` is what `relay.sources.contract.Source.historic` takes. ``topic`` is the one that
    tells it, where the first of the tracked event's topics would not do.
    """

    tracked_event: str
    document: JsonObject
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """``next_path`` is where the next one is, relative to the base URL; None behind the last."""

    orders: Sequence[JsonObject]
    next_path: str | None


class History(Protocol):
    """The orders of one platform, oldest first. What is read twice does no harm."""

    def first(self, since_ms: int, until_ms: int) -> str:
        """Path of the first page of orders that were made in this time."""

    def read(self, path: str, answer: Json, headers: Mapping[str, str]) -> Page:
        """From an answer to ``path``. Raises ValueError for an answer of another form."""

    def identifier(self, order: JsonObject) -> str:
        """The order's id, as it is among its search keys."""

    def made_at(self, order: JsonObject) -> str:
        """When it was made, as the platform writes it."""

    def facts(self, order: JsonObject) -> Sequence[Fact]:
        """What the order tells: that it was completed, refunded, cancelled; nothing for a draft."""


def iso_second(at_ms: int) -> str:
    """ISO 8601 in UTC, ``2026-03-14T09:26:53Z``."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def objects(value: Json) -> list[JsonObject]:
    """Raises ValueError when it is not an array of objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("the answer holds no list of orders")
    return [item for item in value if isinstance(item, dict)]
