"""`python -m relay.worker`: the process that renders and delivers for one that takes webhooks (`server.processes`)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, BinaryIO

import uvloop

from relay import app, logs
from relay.codes import RelayError
from relay.pipeline import frames
from relay.pipeline.forwarding import Forwarder
from relay.pipeline.wakeups import Wakeups
from relay.pipeline.worker_process import FAILED, READY, TOLD
from relay.settings.describing import secrets_of
from relay.settings.loading import Loaded
from relay.tuning import tune

ORPHANED = 1


def main() -> None:
    """Work until a signal, or until the process that started this one is gone."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    loaded: Loaded = frames.read_blocking(sys.stdin.buffer)
    logs.configure(loaded.options.log.format, loaded.options.log.level, secrets_of(loaded.options))
    tune()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(loaded, answers))
    except RelayError as error:
        _say(answers, FAILED, (error.code, error.message, error.remedy))


async def _work(loaded: Loaded, answers: BinaryIO) -> None:
    signals = app.Signals()
    signals.install()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # for the process that takes webhooks, which tells this one
    forwarder = Forwarder(lambda seen: _say(answers, TOLD, seen))
    async with app.build(loaded, None, role=app.Role.WORKER, observer=forwarder) as relay, asyncio.TaskGroup() as group:
        listening = group.create_task(_listen(relay.wakeups))
        _say(answers, READY, None)
        await relay.run(signals)
        listening.cancel()
    forwarder.flush()


def _say(answers: BinaryIO, verb: str, said: Any) -> None:
    answers.write(frames.packed((verb, said)))
    answers.flush()


async def _listen(wakeups: Wakeups) -> None:
    """Wake lines as it is told; end at once when nobody is there any more, as by a power cut."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", buffering=0)
    )
    try:
        while True:
            for stage, partition in await frames.read(reader):
                wakeups.wake(stage, partition)
    except asyncio.IncompleteReadError:
        logs.get("worker").error("worker_orphaned")
        os._exit(ORPHANED)


if __name__ == "__main__":
    main()
