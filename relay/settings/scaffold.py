"""The relay.toml that `relay init` writes, made from the option models so that its defaults are the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from pydantic import BaseModel

from relay.settings.describing import Row, describe
from relay.settings.inspecting import ADDRESS_PLACEHOLDER, PLACEHOLDER, SECRET_PLACEHOLDER
from relay.settings.options import RelayOptions
from relay.settings.packaged import packaged_declarations
from relay.settings.source_options import DECLARED, WITH_CODE
from relay.settings.tables import is_secret, variant, variants
from relay.settings.values import AUTHENTICATES, GIVEN_BY_PLATFORM

_WIDTH = 118
_HELP_AT = 44
_UNSET = '"…"'
_HEAD = """\
# The relay's configuration. Lines such as `# port = 8080` show defaults.
# Every option may also come from the environment, which wins: RELAY_SERVER__PORT is server.port.
# `relay config` tells each value and where it came from; `relay check` verifies.
"""
_TEST_MODE = """\
# In test mode nothing is sent: `relay show` tells what would be. With the real key in, set mode = "live".
"""


def starting_file(platform: str, secret: str, *, key_from_environment: bool) -> str:
    """TOML text with one source of ``platform`` and Segment as destination, in test mode.

    ``secret`` is for a platform that is told it, or is the write key of calls; a platform that makes it gets a
    placeholder.
    """
    key = {} if key_from_environment else {"write_key": PLACEHOLDER}
    chosen: dict[str, Mapping[str, str]] = {
        f"sources.{platform}": {"platform": platform, **_proof(platform, secret)},
        "destinations.segment": {"kind": "segment", "mode": "test", **key},
    }
    parts = [_HEAD]
    for table, rows in groupby(_rows(platform, "segment"), lambda row: row.table):
        if table == "destinations.segment":
            parts.append(_TEST_MODE + "\n".join(_table(table, rows, chosen[table])))
        else:
            parts.append("\n".join(_table(table, rows, chosen.get(table, {}))))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _model(platform: str) -> type[BaseModel]:
    model = variant(variants(RelayOptions.model_fields["sources"]), platform)
    assert model is not None
    return model


def _proof(platform: str, secret: str) -> Mapping[str, str]:
    """The option that the platform most likely needs: the first by which it proves itself. None where addresses do."""
    declared = packaged_declarations().get(platform)
    if declared is not None and not declared.needs_secret():
        return {}
    for name, field in _model(platform).model_fields.items():
        if field.json_schema_extra == AUTHENTICATES:
            return {name: ADDRESS_PLACEHOLDER}
        if is_secret(field):
            return {name: SECRET_PLACEHOLDER if field.json_schema_extra == GIVEN_BY_PLATFORM else secret}
    raise AssertionError(platform)


def _rows(platform: str, kind: str) -> Iterator[Row]:
    """Rows of the plain tables, of this platform and of this kind, named after them."""
    source = platform if platform in WITH_CODE else DECLARED
    chosen = {("sources", source): platform, ("destinations", kind): kind}
    for row in describe():
        name = chosen.get((row.name.partition(".")[0], row.variant))
        if not row.variant:
            yield row
        elif name is not None:
            yield replace(row, name=row.name.replace("<name>", name))


def _table(table: str, rows: Iterable[Row], chosen: Mapping[str, str]) -> Iterator[str]:
    listed = list(rows)
    optional = any(row.default is None and row.name.rpartition(".")[2] not in chosen for row in listed)
    yield f"# [{table}]" if optional and not chosen else f"[{table}]"
    for row in listed:
        key = row.name.rpartition(".")[2]
        line = f'{key} = "{chosen[key]}"' if key in chosen else f"# {key} = {row.default or _UNSET}"
        if not row.help:
            yield line
        elif len(noted := f"{line:<{_HELP_AT - 2}}  # {row.help}") <= _WIDTH:
            yield noted
        else:
            yield from (f"# {row.help}", line)
