"""The option models as tables: what is in a table, of which type, and which model a piece of data belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from relay.settings.options import RelayOptions
from relay.settings.source_options import DECLARED

KeyPath: TypeAlias = tuple[str, ...]

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", SecretStr: "text"}
_BOUNDS = {Ge: "at least {0.ge}", Gt: "over {0.gt}", Le: "at most {0.le}", Lt: "under {0.lt}"}


def submodel(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a table, also of one that may be left out."""
    return next((part for part in _members(field.annotation) if _is_model(part)), None)


def variants(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """For a table of named entries: platform or kind → model. Empty for any other field."""
    if get_origin(field.annotation) is not dict:
        return {}
    models = [part for part in _members(get_args(field.annotation)[1]) if _is_model(part)]
    return {tag: model for model in models for tag in _tags(model)}


def variant(by_tag: Mapping[str, type[BaseModel]], tag: Any) -> type[BaseModel] | None:
    """The model of a platform or kind; a platform without one of its own is declared."""
    return by_tag.get(tag) or by_tag.get(DECLARED) if isinstance(tag, str) else None


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    try:
        return get_args(model.model_fields[tag_field(model)].annotation)
    except StopIteration:
        return (DECLARED,)  # any other name


def tag_field(model: type[BaseModel]) -> str:
    """The field that names the platform or kind: required, with fixed values."""
    return next(
        name
        for name, field in model.model_fields.items()
        if field.is_required() and get_origin(field.annotation) is Literal
    )


def is_secret(field: FieldInfo) -> bool:
    return any(part is SecretStr or SecretStr in get_args(part) for part in _members(field.annotation))


def is_list(field: FieldInfo) -> bool:
    return any(get_origin(part) is list for part in _members(field.annotation))


def type_text(field: FieldInfo) -> str:
    """What a value must be, in words."""
    (part, *_) = (part for part in _members(field.annotation) if part is not type(None))
    if get_origin(part) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(part))
    if get_origin(part) is list:
        if get_args(part) == (int,):
            return "list of whole numbers"
        choice = "text, list of texts or false" if field.metadata and not is_secret(field) else "list of texts"
        return "text or list of texts" if is_secret(field) else choice
    if _is_model(part) or get_origin(part) is dict:
        return "table"
    return _NAMES[part] + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    said = [_BOUNDS[type(bound)].format(bound) for bound in field.metadata if type(bound) in _BOUNDS]
    return f", {', '.join(said)}" if said else ""


def _members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a type, `Annotated` taken off."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(part for member in get_args(annotation) for part in _members(member))
    return (annotation,)


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def model_at(path: KeyPath, data: Any, model: type[BaseModel] = RelayOptions) -> type[BaseModel] | None:
    """The model of the table at ``path``; ``data`` says of which platform or kind an entry is."""
    if not path:
        return model
    field = model.model_fields.get(path[0])
    if field is None:
        return None
    inner = _item(data, path[0])
    if by_tag := variants(field):
        entry = _item(inner, path[1]) if len(path) > 1 else None
        tagged = variant(by_tag, _item(entry, tag_field(next(iter(by_tag.values())))))
        return model_at(path[2:], entry, tagged) if tagged else None
    table = submodel(field)
    return model_at(path[1:], inner, table) if table else None


def field_at(path: KeyPath, data: Any) -> FieldInfo | None:
    """The option at ``path``; None for a named entry and for an unknown key."""
    model = model_at(path[:-1], data) if path else None
    return model.model_fields.get(path[-1]) if model else None


def _item(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, Mapping) else None
