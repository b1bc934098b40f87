"""`relay migrate` and `relay journal copy`, and the other commands on PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.journal.postgres import PostgresJournal
from relay.journal.postgres.schema import migrations
from relay.journal.sqlite import SqliteJournal
from relay.journal.sqlite.schema import migrations as file_migrations
from tests.cli.running import Configured, Relay
from tests.journal.making import Line, event
from tests.postgres import new_schema


@pytest.fixture
def url() -> str:
    return new_schema()


async def fill(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    await Line(journal).run(*(event(str(number)) for number in range(3)))
    await journal.close()


def test_migrate_says_what_it_would_do_and_does_it_once(relay: Relay, configured: Configured, url: str) -> None:
    configured("https://localhost", more={"JOURNAL__URL": url})
    planned = relay("migrate", "--plan", "--json")
    assert len(planned.json["steps"]) == len(migrations())
    assert not planned.json["done"]
    assert relay("events").code == 1, "a plan makes nothing"

    assert relay("migrate").out.startswith("done: 0001")
    assert "is up to date" in relay("migrate").out
    assert relay("events").out == "No event fits.\n" or relay("events").code == 0


def test_migrate_of_a_file(relay: Relay, configured: Configured, folder: Path) -> None:
    configured("https://localhost")
    assert len(relay("migrate", "--plan", "--json").json["steps"]) == len(file_migrations())
    assert not (folder / "relay.db").exists()
    relay("migrate")
    assert (folder / "relay.db").exists()
    assert relay("migrate", "--plan", "--json").json["steps"] == []


def test_a_grown_shop_moves(relay: Relay, configured: Configured, folder: Path, url: str) -> None:
    asyncio.run(fill(folder / "relay.db"))
    copied = relay("journal", "copy", "sqlite:relay.db", url)
    assert copied.code == 0
    assert "events: 3\n" in copied.out
    again = relay("journal", "copy", "sqlite:///relay.db", url, "--json")
    assert again.code == 1
    assert again.error["code"] == "journal_not_empty"

    configured("https://localhost", more={"JOURNAL__URL": url})
    assert [found["id"] for found in relay("events", "--json").json] == [3, 2, 1]
    assert relay("show", "2").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("copy", "postgresql://a/b", "sqlite:relay.db"), "bad_argument"),
        (("move", "sqlite:relay.db", "postgresql://a/b"), "bad_argument"),
        (("copy", "sqlite:nothing.db", "postgresql://a/b"), "not_found"),
    ],
)
def test_what_cannot_be_copied(relay: Relay, folder: Path, arguments: tuple[str, ...], code: str) -> None:
    refused = relay("journal", *arguments, "--json")
    assert refused.error["code"] == code


def test_a_database_that_does_not_answer(relay: Relay, configured: Configured) -> None:
    configured("https://localhost", more={"JOURNAL__URL": "postgresql://relay:hidden-password@127.0.0.1:1/shop"})
    for command in (("events",), ("migrate",), ("check", "--offline")):
        ran = relay(*command)
        assert ran.code == 1
        assert "127.0.0.1:1/shop" in ran.out + ran.err
        assert "hidden-password" not in ran.out + ran.err
    assert "****@127.0.0.1:1/shop" in relay("config").out
    assert "hidden-password" not in relay("config").out


async def test_two_urls_one_journal(url: str) -> None:
    one, two = await PostgresJournal.open(url), await PostgresJournal.open(url)
    assert (await one.append(event("a"))).event_id == (await two.append(event("a"))).event_id
    await one.close()
    await two.close()
