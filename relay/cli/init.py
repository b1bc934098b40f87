"""`relay init`: a folder to start from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.frame import JsonOption, print_json
from relay.codes import RelayError

FILE = "relay.toml"
FOLDER = "RELAY_TEMPLATES__FOLDER"
WRITE_KEY = "RELAY_DESTINATIONS__SEGMENT__WRITE_KEY"


def init(
    folder: Annotated[Path, typer.Argument(help="Where to; made when it is not there.")] = Path(),
    source: Annotated[str, typer.Option(help="Platform that sends the webhooks.")] = "elasticpath",
    templates: Annotated[
        bool,
        typer.Option(
            "--templates",
            help="Copy the packaged templates out, to edit them, with the mappings of configured destinations.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there, with a new secret.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented relay.toml to start from.

    It gets a new webhook secret, unless the platform makes it, and a destination in test mode. Tells the next steps.
    """
    _check_platform(source)
    file = folder / FILE
    kept = file.exists() and not force
    if kept and not templates:
        raise RelayError("file_exists", f"{file} is already there.")
    folder.mkdir(parents=True, exist_ok=True)
    written = [] if kept else [_write_configuration(file, source)]
    copied = list(_copy_templates(*_templates_in_use(file, fresh=not kept), source, force=force)) if templates else []
    written += [path for path, is_new in copied if is_new]
    untouched = [path for path, is_new in copied if not is_new] + ([file] if kept else [])
    if as_json:
        print_json({"written": [str(path) for path in written], "kept": [str(path) for path in untouched]})
        return
    for path in written:
        typer.echo(f"written  {path}")
    for path in untouched:
        typer.echo(f"kept     {path}")
    if not kept:
        typer.echo(_next_steps(file, source))


def _check_platform(platform: str) -> None:
    from relay.settings.packaged import packaged_declarations
    from relay.settings.source_options import WITH_CODE
    from relay.settings.suggesting import hint

    platforms = {*WITH_CODE, *packaged_declarations()}
    if platform not in platforms:
        raise RelayError("bad_argument", f"--source {platform!r} is no known platform; {hint(platform, platforms)}")


def _write_configuration(file: Path, platform: str) -> Path:
    """The file holds a secret, so only its owner may read it."""
    import secrets

    from relay.settings.scaffold import starting_file

    text = starting_file(platform, secrets.token_urlsafe(32), key_from_environment=WRITE_KEY in os.environ)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)
    return file


def _templates_in_use(file: Path, *, fresh: bool) -> tuple[Path, Sequence[str]]:
    """The folder for templates, and the kinds of destinations that have some.

    A ``fresh`` file may still have placeholders, and so be no valid configuration; what it says is known.
    """
    from relay.settings.loading import load
    from relay.settings.options import TemplateOptions

    if fresh:
        return file.parent.absolute() / os.environ.get(FOLDER, TemplateOptions().folder), ["segment"]
    options = load(file, os.environ).options
    return Path(options.templates.folder), sorted({one.kind for one in options.destinations.values()})


def _copy_templates(target: Path, kinds: Sequence[str], platform: str, *, force: bool) -> Iterator[tuple[Path, bool]]:
    """Of a platform and of kinds of destinations: each file's place, and whether it was written."""
    from relay.templates.library import packaged_templates

    packaged = packaged_templates()
    folders = [packaged / "sources" / platform, *(packaged / "destinations" / kind for kind in kinds)]
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        copy = target / path.relative_to(packaged)
        if path.is_dir() or path.name.startswith("."):
            continue
        is_new = force or not copy.exists()
        if is_new:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        yield copy, is_new


def _next_steps(file: Path, platform: str) -> str:
    from relay.cli.registering import Registration, topics, webhook_url
    from relay.settings.inspecting import SECRET_PLACEHOLDER
    from relay.settings.options import RelayOptions

    key = f"is taken from {WRITE_KEY}" if WRITE_KEY in os.environ else f"goes into {file}, [destinations.segment]"
    options = RelayOptions.model_validate({"sources": {platform: {"platform": platform}}}).sources[platform]
    registration = Registration(
        source=platform,
        platform=platform,
        url=webhook_url("https://<public host of the relay>", platform),
        topics=topics(options),
        secret="a placeholder" if SECRET_PLACEHOLDER in file.read_text("utf-8") else f"<the secret in {file}>",
        table=f"{file}, [sources.{platform}]",
    )
    steps = registration.steps().replace("\n", "\n     ")
    return f"""
Next
  1. The Segment write key {key}.
  2. In the platform (`relay sources setup {platform}` tells it again, for what is configured then):
     {steps}
  3. relay check
  4. relay serve        nothing is sent until mode = "live" under [destinations.segment]"""
