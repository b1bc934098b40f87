"""The keys of a ``source.toml`` as tables for the documentation, from the models themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from relay.settings.declaration import (
    AddressScheme,
    BasicScheme,
    CommerceDeclaration,
    Declaration,
    EventDeclaration,
    FieldNames,
    HeaderScheme,
    HmacScheme,
    LookupDeclaration,
    StandardWebhooksScheme,
    Unwrap,
)
from relay.settings.declaration_problems import expected_list
from relay.settings.tables import is_list, submodel, type_text

_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file itself", Declaration),
    ('`[[authentication]]` with `scheme = "hmac"`', HmacScheme),
    ("`fields` of it", FieldNames),
    ('`[[authentication]]` with `scheme = "standard-webhooks"`', StandardWebhooksScheme),
    ('`[[authentication]]` with `scheme = "header"`', HeaderScheme),
    ('`[[authentication]]` with `scheme = "basic"`', BasicScheme),
    ('`[[authentication]]` with `scheme = "addresses"`', AddressScheme),
    ("`[[unwrap]]`", Unwrap),
    ("`[event]`", EventDeclaration),
    ("`[commerce]`", CommerceDeclaration),
    ("`[[lookups]]`", LookupDeclaration),
)

Row = tuple[str, str, str, str]


def tables() -> Iterator[tuple[str, str, list[Row]]]:
    """Title, what it is for, and a row for each key: name, type, default, help."""
    for title, model in _TABLES:
        told = " ".join((model.__doc__ or "").replace("``", "`").split())
        yield title, "" if model is Declaration else told, [*_rows(model)]


def _rows(model: type[BaseModel]) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        yield f"`{name}`", _type(name, field), _default(field), field.description or ""


def _type(name: str, field: FieldInfo) -> str:
    if is_list(field):
        inner = name in ("authentication", "unwrap", "lookups")
        return "tables" if inner else expected_list(name)
    return "table" if submodel(field) else type_text(field)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "unset" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
