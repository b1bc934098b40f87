"""Sources of declared platforms, and signatures for them."""

from __future__ import annotations

import base64
import hmac
import tomllib
from typing import Any

from relay.settings.declaration import Declaration
from relay.settings.options import DeclaredOptions
from relay.settings.packaged import CONTEXT
from relay.sources.declared.source import DeclaredSource
from relay.templates.expressions import Expressions

NOW_MS = 1_773_480_413_000
NOW_S = str(NOW_MS // 1000)
EVENT = '[event]\ntopic = "type"\ndelivery_key = "id"\n'


def packaged(platform: str, **options: Any) -> DeclaredSource:
    return DeclaredSource(DeclaredOptions.model_validate({"platform": platform, **options}), Expressions())


def declared(toml: str, **options: Any) -> DeclaredSource:
    """A source of the platform ``acme``, as ``toml`` declares it."""
    declaration = Declaration.model_validate(tomllib.loads(f'title = "Acme"\n{toml}'))
    read = DeclaredOptions.model_validate({"platform": "acme", **options}, context={CONTEXT: {"acme": declaration}})
    return DeclaredSource(read, Expressions())


def digest(secret: bytes | str, signed: bytes, algorithm: str = "sha256", encoding: str = "hex") -> str:
    made = hmac.digest(secret if isinstance(secret, bytes) else secret.encode(), signed, algorithm)
    return made.hex() if encoding == "hex" else base64.b64encode(made).decode()
