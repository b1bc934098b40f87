"""A template that has to wait for the processor has not taken too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relay.templates.diagnostics import TemplateFailure
from relay.templates.engine import EngineLimits, FastEngine
from relay.templates.template import Template

TIMEOUT_MS = 250
SHORT = Template.of("shop", "order_completed", Path("short.jsonata"), "$count([1..5000].($ * 2))")
ENDLESS = Template.of("shop", "order_completed", Path("endless.jsonata"), "($f := function($n) {$f($n + 1)}; $f(1))")
STOPS = 3


def render_until_told() -> None:
    """In a process of its own: renders all the time, and says so now and then."""
    engine = FastEngine(EngineLimits(timeout_ms=TIMEOUT_MS))
    while True:
        for _ in range(20):
            engine.render(SHORT, "{}", {}, now_ms=0)
        sys.stdout.write("rendered\n")
        sys.stdout.flush()


def test_a_process_that_stood_still_renders_on() -> None:
    command = [sys.executable, "-c", f"from {__name__} import render_until_told; render_until_told()"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            for _ in range(STOPS):
                assert child.stdout.readline() == b"rendered\n", child.stderr.read().decode()
                child.send_signal(signal.SIGSTOP)
                time.sleep(1.2 * TIMEOUT_MS / 1000)  # what is tested: the clock runs, and the process does not
                child.send_signal(signal.SIGCONT)
            for _ in range(2 * STOPS):
                assert child.stdout.readline() == b"rendered\n", child.stderr.read().decode()
        finally:
            child.kill()


def test_a_template_without_an_end_still_takes_too_long() -> None:
    engine = FastEngine(EngineLimits(timeout_ms=TIMEOUT_MS))
    used_s = time.thread_time()
    with pytest.raises(TemplateFailure) as caught:
        engine.render(ENDLESS, "{}", {}, now_ms=0)
    assert caught.value.code == "template_timeout"
    assert time.thread_time() - used_s < 2 * TIMEOUT_MS / 1000
