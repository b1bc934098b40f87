"""Rows that describe every option, and the values of a configuration fit for a screen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from relay.settings.options import RelayOptions
from relay.settings.tables import is_secret, submodel, type_text, variants

ENV_PREFIX = "RELAY_"
MASK = "****"

_URL_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
_URL_PARAMETER = re.compile(r"(?<=[?&])((?:ssl)?password=)([^&\s]*)")


@dataclass(frozen=True, slots=True)
class Row:
    """One option. ``default`` is TOML text: empty when unset, None when the option is required.

    ``variant`` is the platform or kind whose option it is, else empty.
    """

    name: str
    env: str
    type: str
    default: str | None
    help: str
    secret: bool
    variant: str

    @property
    def table(self) -> str:
        return self.name.rpartition(".")[0]


def describe(model: type[BaseModel] = RelayOptions) -> list[Row]:
    """Every option there is; the name of a source or destination stands as `<name>`."""
    return list(_rows(model, "", ""))


def _rows(model: type[BaseModel], prefix: str, variant: str) -> Iterator[Row]:
    for key, field in model.model_fields.items():
        name = f"{prefix}{key}"
        if by_tag := variants(field):
            for tag, entry in by_tag.items():
                yield from _rows(entry, f"{name}.<name>.", tag)
        elif inner := submodel(field):
            yield from _rows(inner, f"{name}.", variant)
        else:
            yield _row(name, field, variant)


def _row(name: str, field: FieldInfo, variant: str) -> Row:
    default = None
    if not field.is_required():
        value = field.get_default(call_default_factory=True, validated_data={})
        default = "" if value is None else json.dumps(value, ensure_ascii=False)
    return Row(name, env_name(name), type_text(field), default, field.description or "", is_secret(field), variant)


def env_name(dotted: str) -> str:
    """The environment variable of an option."""
    return ENV_PREFIX + dotted.replace("-", "_").replace(".", "__").upper()


# -- values


def values(options: BaseModel) -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every option as configured; a secret is a SecretStr or a list of them."""
    for key in type(options).model_fields:
        yield from _values(key, getattr(options, key))


def _values(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        for key, inner in values(value):
            yield f"{name}.{key}", inner
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(f"{name}.{key}", inner)
    else:
        yield name, value


def shown(value: Any) -> Any:
    """A value fit for a screen: secrets and the credentials in a URL are masked."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, list):
        return [shown(item) for item in value]
    return mask_url(value) if isinstance(value, str) else value


def mask_url(text: str) -> str:
    return _URL_PARAMETER.sub(rf"\g<1>{MASK}", _URL_PASSWORD.sub(f"{MASK}@", text))


def secrets_of(options: BaseModel) -> list[str]:
    """Every secret value of a configuration, for the log to hide."""
    found: list[str] = []
    for _, value in values(options):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, SecretStr):
                found.append(item.get_secret_value())
            elif isinstance(item, str):
                found += [one[:-1].rpartition(":")[2] for one in _URL_PASSWORD.findall(item)]
                found += [password for _, password in _URL_PARAMETER.findall(item)]
    return found
