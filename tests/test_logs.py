"""Log lines: their form, what they hide, and that nothing makes them fail."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from relay import logs
from relay.traces import trace

SECRET = 'wr1te"k\\y é&='


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def json_log(secrets: tuple[str, ...] = (), level: logs.Level = "debug") -> io.StringIO:
    out = io.StringIO()
    logs.configure("json", level, secrets, out)
    return out


def test_a_json_line_has_time_level_logger_event_and_fields() -> None:
    out = json_log()
    logs.get("deliver").info("attempt", destination="segment", calls=3, slow=False, why=None)
    (line,) = lines(out)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "deliver",
        "event": "attempt",
        "destination": "segment",
        "calls": 3,
        "slow": False,
        "why": None,
    }


def test_a_field_cannot_take_a_reserved_name() -> None:
    out = json_log()
    logs.get("x").info("real", event="false", level="none")
    assert lines(out)[0]["event"] == "real"
    assert lines(out)[0]["event_"] == "false"
    assert lines(out)[0]["level"] == "info"


def test_lines_below_the_level_are_not_written() -> None:
    out = json_log(level="warning")
    logs.get("x").info("quiet")
    logs.get("x").warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_a_human_line_is_one_line_and_cannot_be_forged() -> None:
    out = io.StringIO()
    logs.configure("human", "info", (), out)
    logs.get("intake").info(
        "webhook", topic="a b\n12:00 error\x1b[2J\x9b", plain="order.paid", empty="", items=["x", 1]
    )
    (line,) = out.getvalue().splitlines()
    assert "\x1b" not in line
    assert "\x9b" not in line
    assert line.endswith('webhook topic="a b\\n12:00 error\\u001b[2J\\u009b" plain=order.paid empty="" items=["x", 1]')


def test_auto_is_human_and_coloured_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    logs.configure("auto", stream=screen)
    logs.get("x").warning("here")
    assert "\x1b[33mwarning\x1b[0m" in screen.getvalue()
    pipe = io.StringIO()
    logs.configure("auto", stream=pipe)
    logs.get("x").warning("here")
    assert lines(pipe)[0]["event"] == "here"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    logs.configure("auto", stream=screen)
    logs.get("x").warning("here")
    assert "\x1b" not in screen.getvalue()


@pytest.mark.parametrize("format_", ["json", "human"])
def test_a_secret_is_hidden_wherever_it_turns_up(format_: logs.Format) -> None:
    out = io.StringIO()
    logs.configure(format_, "debug", (SECRET, "12345678"), out)
    log = logs.get("x")
    basic = base64.b64encode(f"{SECRET}:".encode()).decode()
    log.info("field", key=SecretStr("other secret"), text=f"key is {SECRET}!", number=12345678, header=f"Basic {basic}")
    log.info("nested", deep={"a": [SECRET], SECRET: 1}, query="?k=wr1te%22k%5Cy%20%C3%A9%26%3D")
    logging.getLogger("uvicorn.error").error("failed with %s", SECRET)
    text = out.getvalue()
    if format_ == "json":
        text = "".join(str(line) for line in lines(out))
    assert "wr1te" not in text
    assert "other secret" not in text
    assert "12345678" not in text
    assert basic not in text
    assert text.count("****") >= 7


@pytest.mark.parametrize("format_", ["json", "human"])
def test_of_an_exception_types_and_places_are_told_and_no_text(format_: logs.Format) -> None:
    out = io.StringIO()
    logs.configure(format_, "debug", (), out)
    parts: list[Exception] = []
    for mail in ("ada@example.com", "eve@example.com"):
        try:
            try:
                int(mail)
            except ValueError as error:
                raise KeyError(mail) from error
        except KeyError as error:
            parts.append(error)
    try:
        raise ExceptionGroup(mail, parts)  # noqa: TRY301
    except ExceptionGroup:
        logs.get("x").exception("crashed", stage="render:a")
    text = out.getvalue()
    assert text.count("ValueError") == text.count("KeyError") - 2 == 2  # a frame shows its line: `raise KeyError(mail)`
    assert "ExceptionGroup" in text
    assert "test_logs.py" in text
    assert "Traceback" in text
    assert "example.com" not in text


def test_a_trace_of_what_led_to_itself_ends() -> None:
    first, second = KeyError(), ValueError()
    first.__context__, second.__context__ = second, first
    assert trace(first).count("which led to") == 1


def test_lines_of_libraries_go_the_same_way_and_httpx_is_quiet() -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(io.StringIO()))
    out = json_log()
    logging.getLogger("uvicorn.error").warning("odd %s", "request")
    logging.getLogger("uvicorn.access").info("GET /?secret=1")
    logging.getLogger("httpx").info("HTTP Request: POST https://example.com/?key=1")
    logging.getLogger("httpcore.connection").debug("connect")
    (line,) = lines(out)
    assert line["logger"] == "uvicorn.error"
    assert line["event"] == "message"
    assert line["text"] == "odd request"


def test_configure_twice_writes_once() -> None:
    json_log()
    out = json_log()
    logs.get("x").info("once")
    assert len(lines(out)) == 1


@pytest.mark.parametrize(
    ("text", "secrets", "masked"),
    [
        ("a key1 b", ["key1"], "a **** b"),
        ("key1234", ["key1", "key1234"], "****"),
        ("abc", ["abc", ""], "abc"),
        ("nothing", [], "nothing"),
    ],
)
def test_mask(text: str, secrets: list[str], masked: str) -> None:
    assert logs.mask(text, secrets) == masked


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


words = st.from_regex(r"[a-z_]+", fullmatch=True)


@given(st.dictionaries(words, anything, max_size=4), words, st.sampled_from(["json", "human"]))
def test_no_field_makes_a_line_fail(fields: dict[str, Any], event: str, format_: logs.Format) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", write_through=True)
    logs.configure(format_, "debug", ("null", "****"), out)
    logs.get("x").info(event, **fields)
    written = raw.getvalue().decode()
    if format_ == "json":
        assert json.loads(written)["event"] == event
    else:
        assert written.count("\n") == 1
