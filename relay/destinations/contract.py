"""What a destination is: pure functions that make requests from records and verdicts from answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from relay.model import Call, JsonObject, VerdictKind

Mapped: TypeAlias = Literal["never", "if_any", "always"]
"""Whether calls go through a mapping: never; if there is one, else as they are; or always, else they are skipped."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request, in records and in bytes before compression."""

    max_records: int
    max_request_bytes: int
    max_record_bytes: int
    envelope_bytes: int
    """What a request weighs without any record."""
    separator_bytes: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to make. ``shown_body`` is the body before compression, without secrets."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    shown_body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status`` 0 means no answer: ``error`` is the code of why.

    ``body`` is cut at the cap of the HTTP door; header names are lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""
    error_detail: str = ""
    reached: bool = True
    """Whether the request may have reached the other side."""
    method: str = ""
    """Of the request, when there is an answer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with its stable code, what to say of it, and how long the server wants us to wait."""

    verdict: VerdictKind
    code: str
    detail: str
    wait_s: float | None = None
    """Before the next request, also after one that was taken."""
    slowly: bool = False
    """Whether to wait ten times as long as usual after a failure of which the server gives no time."""
    if_doubtful: Decision | None = None
    """What it means when an earlier attempt may have been taken unheard: no answer came, or the server failed."""
    receipt: str = ""
    """The vendor's name for the request, by which it may refuse records later."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the vendor takes. A request holds records of one ``group`` only."""

    body: bytes
    group: str = ""
    name: str = ""
    """What the vendor calls it when it refuses it later; empty where it never does."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A call that must not be sent, with the stable code of the reason.

    It is dead then; or ``skipped``, when that is as it should be.
    """

    code: str
    detail: str
    skipped: bool = False


class Unpackable(Exception):
    """These records cannot go in one request; a single call of which that is true is dead."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Evaluator(Protocol):
    """Evaluates the JSONata expressions of a declared receiver, each within tight limits."""

    def check(self, expression: str) -> None:
        """Raises ValueError for what is no JSONata."""

    def evaluate(self, expression: str, document_json: str, bindings: Mapping[str, Any]) -> str | None:
        """The value as JSON text, None for none. Raises ValueError when there is an error, or a limit is met."""


class Destination(Protocol):
    """One configured receiver."""

    @property
    def kind(self) -> str: ...

    @property
    def mapped(self) -> Mapped: ...

    @property
    def limits(self) -> Limits: ...

    def records(self, call: Call, mapped: Sequence[JsonObject], *, now_ms: int) -> Sequence[Record] | Unfit:
        """The call in the vendor's form, at least one record; ``mapped`` is what its mapping made of it.

        Several that do not fit one request are sent in order, one request after the other.
        """

    def request(self, records: Sequence[Record], *, now_ms: int, failures: int) -> Request:
        """Pack records of one group into one request; ``now_ms`` is the moment of this attempt.

        Raises `Unpackable` where the limits alone do not tell what fits.
        """

    def decide(self, answer: Answer, *, records: int, now_ms: int) -> Decision:
        """Read an answer to a request that held this many records."""

    def probe(self) -> Request | None:
        """A request without side effects that shows whether the connection works; None where the vendor has none."""

    def read_probe(self, answer: Answer) -> Decision:
        """``delivered``: it works; ``misconfigured``: it cannot; ``retry``: it could not be found out."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """That the vendor refused a record after it took the request. Empty fields: it does not say.

    ``identity`` tells this refusal from others, for vendors list the same ones again.
    """

    identity: str
    record: str
    receipt: str
    at_ms: int | None
    detail: str


@runtime_checkable
class RefusesLater(Protocol):
    """A destination whose vendor checks records after it took them, and can be asked for what it refused."""

    @property
    def poll_every_s(self) -> float: ...

    def poll(self) -> Request: ...

    def read_poll(self, answer: Answer) -> Sequence[Refusal]:
        """What the vendor refused lately; nothing when the answer does not tell."""


@runtime_checkable
class AsksFirst(Protocol):
    """A destination whose records may lack something that only the vendor can give."""

    def question(self, records: Sequence[Record]) -> Request | None:
        """What to ask before these records can be packed; None when they are whole."""

    def completed(self, records: Sequence[Record], answer: Answer, *, now_ms: int) -> Sequence[Record] | Decision:
        """The records with what the answer gives; or what it means that it gives nothing."""
