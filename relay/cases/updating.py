"""Writes the expected side of a case file; the rest of the file keeps its spelling."""

from __future__ import annotations

import os
from pathlib import Path

from relay.cases.case import EXPECTED, Made
from relay.cases.finding import CaseFile
from relay.cases.members import members_of, with_members
from relay.cases.running import text_of


def update(file: CaseFile, made: Made) -> None:
    """The file must be a case that can be run."""
    write(file.path, with_members(members_of(text_of(file)), (*EXPECTED, "records"), made.as_members()))


def write(path: Path, text: str) -> None:
    """All of it or nothing: an editor or another run may read the file meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, "utf-8", newline="\n")
    new.replace(path)
