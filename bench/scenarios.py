"""The scenarios, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bench.load import percentile_ms
from bench.programs import Program, Watch
from bench.relays import NOTHING_MORE, TWO_PROCESSES, Receiver, load, nodes, once, peer, receiving, relay, settled_s
from bench.scenario import RATE, Contender, Figures, Scenario, Skipped
from bench.surroundings import Surroundings

EVENTS = 10_000
WARMING = 500
"""Events before those that are measured: V8 compiles what runs often, caches fill."""
OF_SLOW_PEERS = 2_000
"""Events of contenders that would take minutes over more."""
FEW, MANY = 10_000, 1_000_000
OF_MANY = 100_000
"""So many of a million that wait are delivered in a run; the rest still wait then."""
LATENCY_S = 8
FIVE = ("one", "two", "three", "four", "five")
RELAY, RELAY_2, INTAKE_ONLY, BARE, DIY, DIY_SEGMENT, NODE_RED = (
    "relay", "relay, 2 processes", "relay, intake only", "bare route",
    "do it yourself", "do it yourself, Segment's library", "Node-RED",
)  # fmt: skip

Serving = Callable[[Surroundings, Receiver], AbstractContextManager[Program]]


def taken(watch: Watch, events: float) -> Figures:
    """What a run took of the machine."""
    return {"pss_mib": watch.mib, "cpu_us_per_event": watch.cpu_s / events * 1e6, "foreign": watch.foreign}


def warm_up(around: Surroundings, receiver: Receiver | None, servers: Sequence[Program]) -> int:
    """The number of events that were sent and, where anybody waits for them, delivered."""
    events = around.events(WARMING)
    load(servers, events, around.connections)
    if receiver is not None:
        receiver.wait("one", events)
    return events


# -- contenders


def by_relay(more: Mapping[str, str] = NOTHING_MORE) -> Serving:
    return lambda around, receiver: relay(around.new_folder(), receiver, more=more)


def by_peer(kind: str) -> Serving:
    return lambda around, receiver: peer(kind, receiver)


@contextmanager
def by_node_red(around: Surroundings, receiver: Receiver) -> Iterator[Program]:
    if around.node_red is None:
        raise Skipped
    with around.node_red.running(f"{receiver.url}/one", around.new_folder()) as running:
        yield running


@contextmanager
def by_segments_library(around: Surroundings, receiver: Receiver) -> Iterator[Program]:
    try:
        import segment.analytics  # noqa: F401
    except ImportError:
        raise Skipped from None
    with peer("diy-segment", receiver) as running:
        yield running


# -- measurements


def intake(server: Callable[[Surroundings], AbstractContextManager[Program]]) -> Contender:
    def run(around: Surroundings) -> Figures:
        events = around.events(EVENTS)
        with server(around) as running, Watch([running]) as watch:
            load([running], around.events(WARMING), around.connections)
            told = load([running], events, around.connections)
        answered = {name: told[name] for name in ("p50_ms", "p99_ms")}
        return {RATE: events / told["seconds"], **answered, **taken(watch, events)}

    return run


def whole_way(serving: Serving, events_at_full_scale: int = EVENTS, *, settles: bool = True) -> Contender:
    """From the first webhook that is sent until all calls have arrived and, at the relay, are settled."""

    def run(around: Surroundings) -> Figures:
        events = around.events(events_at_full_scale)
        with receiving() as receiver, serving(around, receiver) as running:
            warmed = warm_up(around, receiver, [running])
            with Watch([running]) as watch:
                told = load([running], events, around.connections)
                arrived = receiver.wait("one", warmed + events)
                ended_s = settled_s(running) if settles else arrived["reached_s"]
        if settles:
            once(arrived)
        seconds = ended_s - told["started_s"]
        return {RATE: events / seconds, "p50_ms": told["p50_ms"], "p99_ms": told["p99_ms"], **taken(watch, events)}

    return run


def drain(events_at_full_scale: int, more: Mapping[str, str] = NOTHING_MORE) -> Contender:
    """From ready until all have arrived, or `OF_MANY` of them; beside it the rate of the first `FEW`.

    Those are rendered and delivered at once, while more is rendered behind them where more waits.
    """

    def run(around: Surroundings) -> Figures:
        waiting, few = around.events(events_at_full_scale), around.events(FEW)
        many = min(waiting, around.events(OF_MANY))
        folder = around.new_folder()
        around.waiting.copied_to(folder, waiting)
        with receiving() as receiver, relay(folder, receiver, more=more) as running, Watch([running]) as watch:
            first = receiver.wait("one", few)
            last = receiver.wait("one", many)
        once(last)
        (folder / "relay.db").unlink()
        rates = {
            RATE: many / (last["reached_s"] - running.ready_s),
            "first_per_s": few / (first["reached_s"] - running.ready_s),
        }
        return {**rates, **taken(watch, many)}

    return run


def latency(rate: float, serving: Serving, *, delivers: bool = True) -> Contender:
    def run(around: Surroundings) -> Figures:
        events = around.events(round(rate * LATENCY_S))
        with receiving() as receiver, serving(around, receiver) as running, Watch([running]) as watch:
            warmed = warm_up(around, receiver if delivers else None, [running])
            told = load([running], events, around.connections, rate)
            figures = {name: told[name] for name in ("p50_ms", "p99_ms", "sent_late_p99_ms")}
            if delivers:
                receiver.wait("one", warmed + events)
                arrived_s = receiver.orders("one")
                took_s = [arrived_s[order] - due_s for order, due_s in told["due_s"].items()]
                figures |= {
                    "delivered_p50_ms": percentile_ms(took_s, 50),
                    "delivered_p95_ms": percentile_ms(took_s, 95),
                }
        return {RATE: events / told["seconds"], **figures, **taken(watch, events)}

    return run


def fan_out(
    destinations: Sequence[str], waited_for: Sequence[str], more: Mapping[str, str] = NOTHING_MORE
) -> Contender:
    """Until those of ``waited_for`` have all; a destination whose name begins with `slow` is slow."""

    def run(around: Surroundings) -> Figures:
        events = around.events(EVENTS)
        with (
            receiving() as receiver,
            relay(around.new_folder(), receiver, destinations, more=more) as running,
            Watch([running]) as watch,
        ):
            warmed = warm_up(around, receiver, [running])
            told = load([running], events, around.connections)
            arrived = [receiver.wait(name, warmed + events) for name in waited_for]
        for one in arrived:
            once(one)
        seconds = max(one["reached_s"] for one in arrived) - told["started_s"]
        figures = {RATE: events / seconds, "calls_per_s": events * len(waited_for) / seconds}
        return {**figures, "p99_ms": told["p99_ms"], **taken(watch, events)}

    return run


def start(serving: Serving) -> Contender:
    """Of an empty relay; the operating system has its files in memory after the first round."""

    def run(around: Surroundings) -> Figures:
        with receiving() as receiver, serving(around, receiver) as running, Watch([running]) as watch:
            ready_ms = (running.ready_s - running.started_s) * 1000
        return {"ready_ms": ready_ms, "pss_mib": watch.mib}

    return run


def on_postgres(number: int) -> Contender:
    def run(around: Surroundings) -> Figures:
        if around.postgres is None:
            raise Skipped
        events = around.events(EVENTS)
        with ExitStack() as stack:
            url = stack.enter_context(around.postgres.schema())
            receiver = stack.enter_context(receiving())
            more = {"RELAY_JOURNAL__URL": url}
            running = stack.enter_context(nodes(around.new_folder(), receiver, number, more))
            watch = stack.enter_context(Watch(running, around.postgres.pids))
            warmed = warm_up(around, receiver, running)
            told = load(running, events, around.connections)
            arrived = receiver.wait("one", warmed + events)
            seconds = settled_s(running[0]) - told["started_s"]
        once(arrived)
        return {RATE: events / seconds, "p50_ms": told["p50_ms"], "p99_ms": told["p99_ms"], **taken(watch, events)}

    return run


def intake_on_postgres(around: Surroundings) -> Figures:
    if around.postgres is None:
        raise Skipped
    with around.postgres.schema() as url:
        return intake(lambda around: relay(around.new_folder(), more={"RELAY_JOURNAL__URL": url}))(around)


def latencies(rate: float) -> Mapping[str, Contender]:
    return {
        BARE: latency(rate, by_peer("bare"), delivers=False),
        RELAY: latency(rate, by_relay()),
        RELAY_2: latency(rate, by_relay(more=TWO_PROCESSES)),
    }


SCENARIOS: Sequence[Scenario] = (
    Scenario(
        "intake",
        "Intake alone: stored and fsynced before the answer, events a second",
        {
            BARE: intake(lambda around: peer("bare")),
            INTAKE_ONLY: intake(lambda around: relay(around.new_folder(), arguments=("--role", "intake"))),
            RELAY: intake(lambda around: relay(around.new_folder())),
            RELAY_2: intake(lambda around: relay(around.new_folder(), more=TWO_PROCESSES)),
        },
        base=BARE,
    ),
    Scenario(
        "whole-way",
        "Whole way: webhook in, rendered, batch delivered, settled, events a second",
        {
            NODE_RED: whole_way(by_node_red, OF_SLOW_PEERS, settles=False),
            DIY: whole_way(by_peer("diy"), OF_SLOW_PEERS, settles=False),
            DIY_SEGMENT: whole_way(by_segments_library, OF_SLOW_PEERS, settles=False),
            RELAY: whole_way(by_relay()),
            RELAY_2: whole_way(by_relay(more=TWO_PROCESSES)),
        },
        base=NODE_RED,
    ),
    Scenario(
        "drain",
        "Drain of a backlog, of a million the first 100,000, events a second",
        {
            "10,000 waiting": drain(FEW),
            "1,000,000 waiting": drain(MANY),
            "10,000 waiting, 2 processes": drain(FEW, more=TWO_PROCESSES),
        },
        base="10,000 waiting",
        most_rounds=3,
    ),
    Scenario(
        "latency-200",
        "Latency at 200 a second, open loop, p99 of the answer in ms",
        {**latencies(200), DIY: latency(200, by_peer("diy")), NODE_RED: latency(200, by_node_red)},
        base=BARE,
        figure="p99_ms",
    ),
    Scenario(
        "latency-1000",
        "Latency at 1,000 a second, open loop, p99 of the answer in ms",
        latencies(1_000),
        base=BARE,
        figure="p99_ms",
    ),
    Scenario(
        "fan-out",
        "Fan-out: whole way to one destination and to five, events a second",
        {
            "one": fan_out(FIVE[:1], FIVE[:1]),
            "five": fan_out(FIVE, FIVE),
            "five, 2 processes": fan_out(FIVE, FIVE, more=TWO_PROCESSES),
        },
        base="one",
    ),
    Scenario(
        "slow-beside-fast",
        "A destination that takes a second for each answer beside a fast one: events a second at the fast one",
        {"fast alone": fan_out(("one",), ("one",)), "fast beside slow": fan_out(("one", "slow"), ("one",))},
        base="fast alone",
    ),
    Scenario(
        "start",
        "Start to ready, ms",
        {
            RELAY: start(by_relay()),
            RELAY_2: start(by_relay(more=TWO_PROCESSES)),
            DIY: start(by_peer("diy")),
            NODE_RED: start(by_node_red),
        },
        base=RELAY,
        figure="ready_ms",
    ),
    Scenario(
        "postgres",
        "Whole way on PostgreSQL, all nodes and the database on this machine, events a second",
        {
            "SQLite": whole_way(by_relay()),
            "1 node": on_postgres(1),
            "2 nodes": on_postgres(2),
            "4 nodes": on_postgres(4),
        },
        base="1 node",
    ),
    Scenario(
        "postgres-intake",
        "Intake alone on PostgreSQL, events a second",
        {BARE: intake(lambda around: peer("bare")), "1 node": intake_on_postgres},
        base=BARE,
    ),
)
