"""Where the templates and declarations are that come with the relay."""

from __future__ import annotations

from pathlib import Path


def packaged_templates() -> Path:
    """Inside a wheel, or at the top of the repository."""
    package = Path(__file__).parent
    inside = package / "packaged_templates"
    return inside if inside.is_dir() else package.parent / "templates"
