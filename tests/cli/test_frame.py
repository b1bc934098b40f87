"""What holds for every command: global options, errors, exit codes, a quick start, fresh documentation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from relay import __version__, cli
from relay.cli import docs
from relay.cli.frame import globals_first
from relay.codes import CODES, RelayError
from tests.cli.running import Relay


def test_version_and_help(relay: Relay) -> None:
    assert relay("--version").out == f"relay {__version__}\n"
    ran = relay("--help")
    assert ran.code == 0
    for name, _ in cli.COMMANDS:
        assert name in ran.out
    assert relay().code == 2


@pytest.mark.parametrize(
    "arguments", [("--config", "x.toml", "config"), ("config", "--config", "x.toml"), ("config", "--config=x.toml")]
)
def test_config_may_stand_anywhere(folder: Path, relay: Relay, arguments: tuple[str, ...]) -> None:
    Path("x.toml").write_text("[server]\nport = 1")
    assert relay(*arguments).out.startswith("# x.toml")


@pytest.mark.parametrize(
    ("arguments", "sorted_"),
    [
        (["a", "--debug", "b"], ["--debug", "a", "b"]),
        (["a", "--config", "c", "--json"], ["--config", "c", "a", "--json"]),
        (["a", "--", "--debug", "--config=x"], ["a", "--", "--debug", "--config=x"]),
        (["a", "--config"], ["a", "--config"]),
    ],
)
def test_globals_first(arguments: list[str], sorted_: list[str]) -> None:
    assert globals_first(arguments) == sorted_


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    monkeypatch.setattr(cli, "COMMANDS", (("fail", fail), ("other", fail)))


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (RelayError("journal_newer", "What."), "journal_newer", 1),
        (RelayError("config_missing", "What."), "config_missing", 2),
        (
            ExceptionGroup("", [ValueError(), ExceptionGroup("", [RelayError("port_in_use", "What.")])]),
            "port_in_use",
            1,
        ),
        (PermissionError(13, "Permission denied", "file"), "system_refused", 1),
        (typer.BadParameter("What."), "bad_argument", 2),
        (ZeroDivisionError("s3cr3t"), "bug", 1),
        (ExceptionGroup("", [ValueError("s3cr3t")]), "bug", 1),
    ],
)
def test_errors(relay: Relay, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, exit_code: int) -> None:
    monkeypatch.delenv("RELAY_DEBUG", raising=False)
    failing(monkeypatch, error)
    ran = relay("fail")
    assert (ran.code, ran.out) == (exit_code, "")
    assert "Traceback" not in ran.err
    assert "s3cr3t" not in ran.err
    if code != "bad_argument":
        assert ran.err.splitlines()[0] == code
        assert ran.err.rstrip().endswith(CODES[code].remedy)
    as_json = relay("fail", "--json")
    assert (as_json.code, as_json.out) == (exit_code, "")
    assert as_json.error["code"] == code
    assert as_json.error["message"]
    assert as_json.error["remedy"]


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_traceback_only_when_asked_for(relay: Relay, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    failing(monkeypatch, ZeroDivisionError("why"))
    monkeypatch.setenv("RELAY_DEBUG", "0" if how == "option" else "1")
    ran = relay("fail", *(["--debug"] if how == "option" else []))
    assert "ZeroDivisionError: why" in ran.err
    assert "bug\n" in ran.err


def test_interrupted(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert relay("fail").code == 130


@pytest.mark.parametrize("arguments", [("chek",), ("check", "--jsn"), ("init", "a", "b")])
def test_usage_errors(relay: Relay, arguments: tuple[str, ...]) -> None:
    ran = relay(*arguments)
    assert ran.code == 2
    assert "Usage: relay" in ran.err
    assert "-h" in ran.err
    assert relay(*arguments, "--json").error["code"] == "bad_argument"


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, relay.cli; relay.cli.run(['--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for heavy in ("pydantic", "httpx", "starlette", "uvicorn", "jsonatapy", "jsonata", "sqlite3", "orjson"):
        assert f"'{heavy}'" not in out


def test_an_interrupt_of_the_real_process(folder: Path) -> None:
    code = (
        "import os, signal, sys, relay.cli as cli\n"
        "cli.COMMANDS = (('wait', lambda: os.kill(os.getpid(), signal.SIGINT)), ('other', print))\n"
        "sys.argv = ['relay', 'wait']\n"
        "cli.main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert ran.returncode == 130
    assert "Traceback" not in ran.stderr


# -- documentation


def test_the_generated_documentation_is_fresh() -> None:
    stale = [path.name for path in docs.stale(docs.FOLDER)]
    assert not stale, f"{stale}: run `python -m relay.cli.docs --write`"


def test_a_stale_page_is_found_and_its_prose_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "FOLDER", tmp_path)
    assert docs.main(["--check"]) == 1
    assert docs.main(["--write"]) == 0
    assert docs.main(["--check"]) == 0
    page = tmp_path / "errors.md"
    page.write_text("# My title\n\nProse.\n\n" + page.read_text().replace("`bug`", "`changed`") + "\nMore prose.\n")
    assert docs.main(["--check"]) == 1
    assert docs.main(["--write"]) == 0
    text = page.read_text()
    assert text.startswith("# My title\n\nProse.\n")
    assert text.endswith("\nMore prose.\n")
    assert "`bug`" in text
    assert docs.main([]) == 2


def test_a_cell_keeps_its_table_and_its_text() -> None:
    assert docs.fresh("", "errors").count("&lt;name>") >= 1
    for line in docs.fresh("", "configuration").splitlines():
        if line.startswith("| "):
            assert line.replace(r"\|", "").count("|") == 5
