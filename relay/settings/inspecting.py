"""Checks that the option models cannot make: names, platforms and kinds, empty values, secrets that are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from relay.settings.options import RelayOptions
from relay.settings.problems import Problem, not_set, unfit
from relay.settings.source_options import DECLARED
from relay.settings.suggesting import hint
from relay.settings.tables import KeyPath, is_list, is_secret, submodel, tag_field, type_text, variant, variants
from relay.settings.values import AUTHENTICATES

PLACEHOLDER = "your-write-key"
"""Stands in the file that `relay init` writes; it must never be sent, for a vendor may swallow what it is sent with."""
SECRET_PLACEHOLDER = "the-secret-the-platform-gives"  # noqa: S105 - stands where the secret goes
"""The same for a platform that makes the secret: with it nothing would be genuine."""
ADDRESS_PLACEHOLDER = "https://your-store.example/graphql/"
"""The same for a platform that publishes its keys."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]|_(?!_)){0,62}")
_NO = {"false", "0", "no", "off", "n", "f"}


def inspect(data: dict[str, Any], declared: Collection[str], secretless: Collection[str] = ()) -> list[Problem]:
    """Problems of ``data``; ``declared`` are the platforms without code of their own, ``secretless`` need no secret.

    Sets the platform or kind of an entry that is named after one; drops an entry without.
    """
    problems: list[Problem] = []
    for table, field in RelayOptions.model_fields.items():
        models = variants(field)
        entries = data.get(table)
        if models and isinstance(entries, dict):
            for name in list(entries):
                problems += _entry((table, name), entries, models, declared, secretless)
        elif model := submodel(field):
            problems += _values((table,), entries, model)
    return [*problems, *_shared_keys(data.get("sources"))]


def _shared_keys(sources: Any) -> Iterator[Problem]:
    """The write key alone tells whose a call is."""
    owners: dict[str, str] = {}
    for name, entry in sources.items() if isinstance(sources, dict) else ():
        given = entry.get("write_key") if isinstance(entry, dict) else None
        for key in given if isinstance(given, list) else [given]:
            if isinstance(key, str) and owners.setdefault(key, name) != name:
                yield Problem(
                    ("sources", name, "write_key"), f"is also that of sources.{owners[key]}; give each its own"
                )


def _entry(
    path: KeyPath,
    entries: dict[str, Any],
    models: dict[str, type[BaseModel]],
    declared: Collection[str],
    secretless: Collection[str],
) -> Iterator[Problem]:
    name = path[-1]
    entry = entries[name]
    known = {*models, *declared} - {DECLARED} if DECLARED in models else {*models}
    if not _NAME.fullmatch(name):
        yield Problem(
            path, "a name is of a-z, 0-9, - and single _, at most 63 of them, and begins with a letter or digit"
        )
        del entries[name]
    elif isinstance(entry, dict):
        tag = tag_field(next(iter(models.values())))
        kind = entry.setdefault(tag, name if name in known else None)
        if kind is None:
            yield Problem((*path, tag), f"is not set; {hint(name, known)}", missing=True)
        elif not isinstance(kind, str) or kind not in known:
            shown = f" {kind!r}" if isinstance(kind, str) else ""
            yield Problem((*path, tag), f"unknown {tag}{shown}; {hint(str(kind), known)}")
        model = variant(models, kind) if isinstance(kind, str) and kind in known else None
        if model is None:
            del entries[name]
            return
        yield from _values(path, entry, model)
        if kind not in secretless:
            yield from _guarded(path, entry, model)
        yield from _placeholder(path, entry)


def _values(path: KeyPath, table: Any, model: type[BaseModel]) -> Iterator[Problem]:
    for key, value in table.items() if isinstance(table, dict) else ():
        field = model.model_fields.get(key)
        if field is None:
            continue
        if inner := submodel(field):
            yield from _values((*path, key), value, inner)
        elif is_list(field) and isinstance(value, list):
            for index, item in enumerate(value):
                yield from _value((*path, key, str(index)), item, field)
        else:
            yield from _value((*path, key), value, field)


def _value(path: KeyPath, value: Any, field: FieldInfo) -> Iterator[Problem]:
    if isinstance(value, bool) and "number" in type_text(field):
        yield unfit(path, field, value)
    elif isinstance(value, str) and not value.strip():
        leave = "put in a value" if field.is_required() else "leave it out for the default"
        false = ", or set it to false" if "false" in type_text(field) else ""
        yield Problem(path, f"is empty; {leave}{false}")
    elif is_secret(field) and isinstance(value, str) and value != value.strip():
        yield Problem(path, "begins or ends with white space, perhaps a line end from a file; remove it")


def _guarded(path: KeyPath, entry: dict[str, Any], model: type[BaseModel]) -> Iterator[Problem]:
    """A source accepts webhooks from anyone only when told so."""
    if "open" not in model.model_fields:
        return
    fields = model.model_fields
    secrets = [name for name in fields if is_secret(fields[name]) or fields[name].json_schema_extra == AUTHENTICATES]
    is_open = str(entry.get("open", False)).lower() not in _NO
    if not is_open and not any(entry.get(name) not in (None, False, []) for name in secrets):
        others = "".join(f", or {name}" for name in secrets[1:])
        first = is_secret(fields[secrets[0]])
        what = "the secret that the platform sends or signs with" if first else "the platform's address, for its keys"
        yield not_set(
            (*path, secrets[0]),
            f"{what}{others}, or open = true to accept webhooks of anyone.",
        )


def _placeholder(path: KeyPath, entry: dict[str, Any]) -> Iterator[Problem]:
    if entry.get("write_key") == PLACEHOLDER and entry.get("mode", "live") == "live":
        yield Problem((*path, "write_key"), 'is still the placeholder; put in the real key, or set mode = "test"')
    if entry.get("secret") in (SECRET_PLACEHOLDER, [SECRET_PLACEHOLDER]):
        yield Problem((*path, "secret"), "is still the placeholder; put in the secret that the platform gives")
    if entry.get("api_url") == ADDRESS_PLACEHOLDER:
        yield Problem((*path, "api_url"), "is still the placeholder; put in the address of the store's API")
