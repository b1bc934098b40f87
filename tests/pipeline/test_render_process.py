"""Hostile templates end their own event, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from relay.demo.samples import samples
from relay.model import Event, EventId, Lane, OutcomeKind
from relay.pipeline.render_process import RenderProcess
from relay.pipeline.rendered import Rendered, Task
from relay.renderer import Hello
from relay.settings.loading import load
from relay.settings.options import RelayOptions
from relay.templates.library import Snapshot
from relay.templates.template import Template
from tests.running import configuration

PAID = next(sample.body for sample in samples() if sample.title == "order.paid")
GOOD = '{"type": "track", "userId": "u", "event": "Good " & payload.data.id, "messageId": $event.id}'
HOSTILE = {
    "tail recursion": ("($f := function($n) { $f($n + 1) }; $f(0))", "template_timeout"),
    "deep recursion": ("($f := function($n) { 1 + $f($n + 1) }; $f(0))", "template_limit"),
    "long range": ("$sum([1..10000000])", "template_limit"),
    "string doubling": ("($d := function($s) { $d($s & $s) }; $d('abcdefgh'))", None),
    "cross join": ("($a := [1..3000]; $a.($x := $; $a.($y := $; $a.{'x': $x, 'y': $y})))", None),
    "catastrophic regex": ("$match($pad('', 3000, 'a') & 'b', /(a+)+$/)", None),
    "100 MB string": ("$pad('x', 100000000)", None),
}


def options(folder: Path, **more: str) -> RelayOptions:
    return load(None, configuration(folder, {}, **more)).options


def snapshot(text: str) -> Snapshot:
    template = Template.of("elasticpath", "order_completed", Path("order_completed.jsonata"), text)
    return Snapshot({("elasticpath", "order_completed"): template})


def task(number: int) -> Task:
    event = Event(
        EventId(number), Lane.LIVE, 0, "elasticpath", "order.paid", f"key-{number}", "order:1", 1, 1, "{}", PAID, None
    )
    return Task(event, {})


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[str], RenderProcess]]:
    started: list[RenderProcess] = []

    def begin(text: str) -> RenderProcess:
        started.append(RenderProcess(Hello(options(tmp_path), snapshot(text))))
        return started[-1]

    yield begin
    for process in started:
        await process.close()


def codes(rendered: list[Rendered]) -> list[str]:
    return [result.outcomes[0].code if result.outcomes else "rendered" for result in rendered]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_templates_are_cut_off(start: Callable[[str], RenderProcess], name: str) -> None:
    text, code = HOSTILE[name]
    process = start(text)
    await process.start()
    started_s = time.monotonic()

    rendered = [*await process.render("elasticpath", [task(1)], 0)]

    assert time.monotonic() - started_s < 5
    (outcome,) = rendered[0].outcomes
    assert outcome.kind in (OutcomeKind.DEAD, OutcomeKind.SKIPPED)
    assert code is None or outcome.code == code


async def test_the_operating_system_ends_what_the_engine_cannot(tmp_path: Path) -> None:
    """Reading a huge document is one step to the engine; the CPU time limit cuts it off all the same."""
    process = RenderProcess(Hello(options(tmp_path, TEMPLATES__TIMEOUT_MS="30"), snapshot(GOOD)))
    lines = b",".join(b'{"a": %d}' % n for n in range(1_000_000))
    huge = PAID.rstrip().removesuffix(b"}") + b', "more": [' + lines + b"]}"
    batch = [task(1), task(2), Task(task(3).event._replace(body=huge), {}), task(4), task(5)]

    rendered: list[Rendered] = []
    while len(rendered) < len(batch):
        rendered += await process.render("elasticpath", batch[len(rendered) :], 0)

    assert codes(rendered) == ["rendered", "rendered", "template_timeout", "rendered", "rendered"]
    await process.close()


async def test_a_process_that_is_killed_from_outside_costs_no_event(start: Callable[[str], RenderProcess]) -> None:
    process = start(GOOD)
    assert codes([*await process.render("elasticpath", [task(n) for n in range(5)], 0)]) == ["rendered"] * 5
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)

    assert codes([*await process.render("elasticpath", [task(n) for n in range(5)], 0)]) == ["rendered"] * 5


async def test_a_slow_batch_is_answered_in_part(start: Callable[[str], RenderProcess]) -> None:
    """So that other sources, and a relay that stops, need not wait for a hundred time-outs."""
    process = start("($f := function($n) { $f($n + 1) }; $f(0))")
    await process.start()
    started_s = time.monotonic()

    rendered = [*await process.render("elasticpath", [task(n) for n in range(100)], 0)]

    assert 1 <= len(rendered) < 10
    assert set(codes(rendered)) == {"template_timeout"}
    assert time.monotonic() - started_s < 5


async def test_a_batch_that_is_given_up_spoils_no_other(start: Callable[[str], RenderProcess]) -> None:
    process = start(GOOD)
    await process.start()
    for wait_s in (0.0, 0.01):
        given_up = asyncio.create_task(process.render("elasticpath", [task(n) for n in range(1000)], 0))
        await asyncio.sleep(wait_s)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up

        (rendered,) = await process.render("elasticpath", [task(4711)], 0)
        assert rendered.calls[0].event_id == 4711


async def test_a_process_that_cannot_even_start_costs_no_event(tmp_path: Path) -> None:
    process = RenderProcess("this is no hello")

    with pytest.raises(RuntimeError, match="ended"):
        await process.render("elasticpath", [task(1), task(2)], 0)
    await process.tell(Hello(options(tmp_path), snapshot(GOOD)))
    assert codes([*await process.render("elasticpath", [task(1)], 0)]) == ["rendered"]
    await process.close()


async def test_new_templates_are_in_force_for_the_next_batch(
    start: Callable[[str], RenderProcess], tmp_path: Path
) -> None:
    process = start(GOOD)
    (before,) = await process.render("elasticpath", [task(1)], 0)

    await process.tell(Hello(options(tmp_path), snapshot(GOOD.replace("Good", "Better"))))
    (after,) = await process.render("elasticpath", [task(1)], 0)

    assert "Good" in before.calls[0].text
    assert "Better" in after.calls[0].text
    assert before.calls[0].template_version != after.calls[0].template_version


def ids(rendered: Sequence[Rendered]) -> list[int]:
    return [result.calls[0].event_id for result in rendered]


async def test_batches_that_wait_get_their_own_results_whatever_ends_the_process(
    start: Callable[[str], RenderProcess],
) -> None:
    process = start(GOOD)
    await process.start()

    async def work(first: int) -> None:
        for number in range(first, first + 1000, 50):
            batch = [task(one) for one in range(number, number + 50)]
            while batch:
                rendered = await process.render("elasticpath", batch, 0)
                assert ids(rendered) == [one.event.id for one in batch[: len(rendered)]]
                batch = batch[len(rendered) :]

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work(first)) for first in (1000, 2000, 3000, 4000)]
        killed = set[int]()
        while not all(worker.done() for worker in workers):
            if process.pid is not None and process.pid not in killed and len(killed) < 3:
                # Sooner or later, so at another point of a batch each time; the last one works to the end.
                await asyncio.wait(workers, timeout=random.uniform(0.3, 0.5))
                killed.add(process.pid)
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await asyncio.wait(workers, timeout=0.01)
    assert killed


@pytest.mark.parametrize("ended", [False, True])
async def test_a_batch_that_is_given_up_before_its_turn_spoils_no_other(
    start: Callable[[str], RenderProcess], ended: bool
) -> None:
    process = start(GOOD)
    await process.start()
    async with asyncio.TaskGroup() as group:
        at_work = group.create_task(process.render("elasticpath", [task(n) for n in range(500)], 0))
        waiting = group.create_task(process.render("elasticpath", [task(n) for n in range(500, 600)], 0))
        behind = group.create_task(process.render("elasticpath", [task(n) for n in range(600, 650)], 0))
        await asyncio.wait({at_work}, timeout=0.01)
        waiting.cancel()
        if ended:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)

    assert waiting.cancelled()
    assert ids(at_work.result()) == list(range(len(at_work.result())))
    assert ids(behind.result()) == list(range(600, 600 + len(behind.result())))


async def test_a_batch_that_waits_is_rendered_by_new_templates(
    start: Callable[[str], RenderProcess], tmp_path: Path
) -> None:
    """Also when it was written to a process that had the old ones."""
    process = start(GOOD)
    await process.start()
    async with asyncio.TaskGroup() as group:
        at_work = group.create_task(process.render("elasticpath", [task(n) for n in range(500)], 0))
        await asyncio.wait({at_work}, timeout=0)
        told = group.create_task(process.tell(Hello(options(tmp_path), snapshot(GOOD.replace("Good", "Better")))))
        await asyncio.wait({told}, timeout=0)
        waiting = group.create_task(process.render("elasticpath", [task(1)], 0))

    assert "Better" in waiting.result()[0].calls[0].text
