"""The declarations that come with the relay."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from relay.packaged import packaged_templates
from relay.settings.declaration import Declaration

FILE_NAME = "source.toml"
CONTEXT = "declarations"
"""Key of the declarations in the context with which options are validated."""

Declarations: TypeAlias = Mapping[str, Declaration]


@cache
def packaged_declarations() -> Declarations:
    """By platform."""
    files = sorted((packaged_templates() / "sources").glob(f"*/{FILE_NAME}"))
    return {path.parent.name: Declaration.model_validate(tomllib.loads(path.read_text("utf-8"))) for path in files}
