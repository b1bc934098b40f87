"""Messages between the relay and its render process: a length, then a pickle. Both ends are ours.

Batches travel as plain tuples: pickling thousands of small frozen objects a second costs more than
rendering them.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from relay.model import Call, Event, NewCall, NewOutcome
from relay.pipeline.mapping import Ended, MappedCall, MapTask
from relay.pipeline.rendered import Rendered, Task, Warned

if TYPE_CHECKING:
    import asyncio  # the render process has no use for it

PROGRESS = struct.Struct("=q")
"""The index of the task that the process is at, in memory that it shares with the relay."""
IDLE = -1

_LENGTH = struct.Struct(">Q")


def packed(message: Any) -> bytes:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def read(stream: asyncio.StreamReader) -> Any:
    """The next message. Raises asyncio.IncompleteReadError when the other end is gone."""
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    return pickle.loads(await stream.readexactly(length))  # noqa: S301 - from our own child


def read_blocking(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError when the other end is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 - from our own parent


def tasks_sent(tasks: Sequence[Task]) -> list[Any]:
    return [(tuple(task.event), task.fetched, task.missing) for task in tasks]


def tasks_got(sent: Sequence[Any]) -> list[Task]:
    return [Task(Event(*event), fetched, missing) for event, fetched, missing in sent]


def rendered_sent(rendered: Sequence[Rendered]) -> list[Any]:
    return [
        ([*map(tuple, made.calls)], [*map(tuple, made.outcomes)], [*made.keys], [*map(tuple, made.warnings)])
        for made in rendered
    ]


def rendered_got(sent: Sequence[Any]) -> list[Rendered]:
    return [
        Rendered(
            [NewCall(*call) for call in calls],
            [NewOutcome(*outcome) for outcome in outcomes],
            keys,
            [Warned(*warned) for warned in warnings],
        )
        for calls, outcomes, keys, warnings in sent
    ]


def map_tasks_sent(tasks: Sequence[MapTask]) -> list[Any]:
    return [(tuple(task.call), task.event and tuple(task.event), task.fetched, [*task.earlier]) for task in tasks]


def map_tasks_got(sent: Sequence[Any]) -> list[MapTask]:
    return [MapTask(Call(*call), event and Event(*event), fetched, earlier) for call, event, fetched, earlier in sent]


def mapped_sent(mapped: Sequence[MappedCall]) -> list[Any]:
    return [([*made.records], made.ended and tuple(made.ended)) for made in mapped]


def mapped_got(sent: Sequence[Any]) -> list[MappedCall]:
    return [MappedCall(records, ended and Ended(*ended)) for records, ended in sent]
