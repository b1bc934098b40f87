"""What a run ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "uvicorn", "starlette", "httpx", "jsonatapy", "jsonata-python", "orjson", "psycopg", "segment-analytics-python",
)  # fmt: skip


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """By package; those that are not installed are not in it."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
