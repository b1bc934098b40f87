"""The RELAY_ variables: each becomes a piece of configuration, so that every value's origin is known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BeforeValidator, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from relay.settings.describing import ENV_PREFIX
from relay.settings.options import RelayOptions
from relay.settings.tables import is_list, is_secret

_NOT_OPTIONS = re.compile(r"RELAY_(CONFIG|DEBUG|SHARED|TEST_.*)")
# Kubernetes sets these in every pod beside a service whose name begins with `relay`.
_KUBERNETES = re.compile(
    r"RELAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(r"RELAY_(\w+_)?PORT")


@dataclass(frozen=True, slots=True)
class Variable:
    """``data`` is the variable as a nested table; None when it names no table of the configuration."""

    name: str
    data: dict[str, Any] | None
    unreadable: bool = False


_FIELDS: dict[str, Any] = {name: (field.annotation, field) for name, field in RelayOptions.model_fields.items()}
_Settings = create_model("_Settings", __base__=BaseSettings, **_FIELDS)
"""The options in the form in which the environment source of pydantic-settings takes them."""


class _Source(EnvSettingsSource):
    """One variable at a time; a list may also be written with commas."""

    def __init__(self) -> None:
        super().__init__(_Settings, case_sensitive=False, env_prefix=ENV_PREFIX, env_nested_delimiter="__")

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        if field is not None and is_list(field) and not value.lstrip().startswith("["):
            if value.strip() == "false" and _may_be_false(field):
                return False
            return [part.strip() for part in value.split(",")]
        return json.loads(value)

    def read(self, name: str, value: str) -> Variable:
        self.env_vars = {name.lower(): value}
        try:
            return Variable(name, self() or None)
        except (SettingsError, ValueError, RecursionError):
            # The error would quote the value, which may be a secret.
            return Variable(name, None, unreadable=True)


def read(environ: Mapping[str, str]) -> list[Variable]:
    """Outer tables before what is in them, so that the more exact name wins."""
    source = _Source()
    names = sorted((name for name in environ if _is_option(name, environ[name])), key=lambda n: (n.count("__"), n))
    return [source.read(name, environ[name]) for name in names]


def _is_option(name: str, value: str) -> bool:
    if not name.startswith(ENV_PREFIX) or _NOT_OPTIONS.fullmatch(name):
        return False
    return "__" in name or not _is_from_kubernetes(name, value)


def _is_from_kubernetes(name: str, value: str) -> bool:
    """RELAY_PORT may also be somebody's guess at server.port; the cluster's holds an address."""
    return bool(_KUBERNETES.fullmatch(name) or (_KUBERNETES_PORT.fullmatch(name) and "://" in value))


def _may_be_false(field: FieldInfo) -> bool:
    return not is_secret(field) and any(isinstance(part, BeforeValidator) for part in field.metadata)
