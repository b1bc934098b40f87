"""How a run of cases looks: lines for a person, JSON, and JUnit XML for a build server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as Xml

from relay.cases.finding import CaseFile, Key
from relay.cases.running import Result
from relay.model import JsonObject
from relay.templates.diagnostics import Diagnostic

MARKS = {"passed": ".", "failed": "F", "new": "N", "broken": "E"}
# Characters that XML 1.0 cannot hold, even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def explained(result: Result) -> list[str]:
    """What is wrong and what to do, below the name of a case that did not pass."""
    lines = [str(result.file.path), *result.problems, *map(str, result.differences)]
    if result.status == "new" and result.ran is not None:
        lines.append("It says nothing of what is expected. This comes out; when it is right, --update writes it down:")
        lines += json.dumps(result.ran.made.as_members(), ensure_ascii=False, indent=2).splitlines()
    if result.ran is not None:
        lines += result.ran.explained
    return lines


def summary(results: Sequence[Result], duration_s: float) -> str:
    """``31 passed, 1 failed in 0.12 s``."""
    counts = [(sum(result.status == status for result in results), status) for status in MARKS]
    told = ", ".join(f"{count} {status}" for count, status in counts if count)
    return f"{told or 'no cases'} in {duration_s:.2f} s"


def warnings(results: Sequence[Result], *, packaged: bool) -> Iterator[str]:
    """Where a call departs from specification or plan; of packaged cases only when asked for."""
    for result in results:
        if result.ran is not None and (result.file.own or packaged):
            for warning in result.ran.warnings:
                yield f"warning  {result.file.id}: {warning}"


def left_out(found: Mapping[Key, int]) -> Iterator[str]:
    """Why there are fewer cases than are packaged."""
    for (platform, tracked_event), count in sorted(found.items()):
        yield (
            f"{count} packaged cases of {platform}/{tracked_event} left out: the template is yours. "
            "`relay init --templates` copies them beside it."
        )


def as_json(results: Sequence[Result], skipped: Mapping[Key, int], suspicions: Sequence[Diagnostic]) -> JsonObject:
    return {
        "ok": all(result.status == "passed" for result in results),
        "cases": [_case(result) for result in results],
        "left_out": [
            {"platform": platform, "tracked_event": tracked_event, "cases": count}
            for (platform, tracked_event), count in sorted(skipped.items())
        ],
        "suspicions": [diagnostic.as_json() for diagnostic in suspicions],
    }


def _case(result: Result) -> JsonObject:
    made = result.ran.made if result.ran is not None else None
    return {
        "id": result.file.id,
        "file": str(result.file.path),
        "status": result.status,
        "duration_ms": round(result.duration_s * 1000, 3),
        "problems": list(result.problems),
        "differences": [difference.as_json() for difference in result.differences],
        "calls": list(made.calls) if made else [],
        "records": list(made.records or []) if made else [],
        "outcomes": list(made.outcomes) if made else [],
        "warnings": list(result.ran.warnings) if result.ran is not None else [],
    }


def junit(results: Sequence[Result], duration_s: float) -> bytes:
    """In the form that Jenkins, GitLab and GitHub's reporters read."""
    failures = sum(result.status in ("failed", "new") for result in results)
    errors = sum(result.status == "broken" for result in results)
    suite = Xml.Element(
        "testsuite",
        {
            "name": "relay test",
            "tests": str(len(results)),
            "failures": str(failures),
            "errors": str(errors),
            "skipped": "0",
            "time": f"{duration_s:.3f}",
        },
    )
    for result in results:
        case = Xml.SubElement(suite, "testcase", {**_name(result.file), "time": f"{result.duration_s:.3f}"})
        if result.status != "passed":
            lines = [_xml(line) for line in explained(result)]
            kind = "error" if result.status == "broken" else "failure"
            message = next(iter([*result.problems, *map(str, result.differences)]), "the case is new")
            Xml.SubElement(case, kind, {"message": _xml(message)}).text = "\n".join(lines)
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.indent(suites)
    text: str = Xml.tostring(suites, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


def _name(file: CaseFile) -> dict[str, str]:
    place = ".".join(part for part in (file.platform, file.tracked_event) if part)
    return {"classname": _xml(place), "name": _xml(file.name), "file": _xml(str(file.path))}


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
