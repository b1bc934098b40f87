"""Shows what a destination would get of a webhook, without sending anything."""

from __future__ import annotations

from relay.codes import RelayError
from relay.destinations import build_destination
from relay.model import Call, CallId, Webhook
from relay.pipeline.handling import Wanted
from relay.pipeline.mapping import MapTask
from relay.pipeline.previewing import Preview, preview
from relay.pipeline.rendered import Rendered
from relay.renderer import build_library, build_mapper, event_of, is_mapped
from relay.settings.loading import Loaded
from relay.templates.expressions import RequestExpressions


def preview_webhook(
    loaded: Loaded, source: str, webhook: Webhook, rendered: Rendered, name: str, at_ms: int
) -> list[Preview]:
    """What a destination would get of a webhook, call by call; of earlier calls only those of the same webhook.

    Raises RelayError for a destination that is none.
    """
    options = loaded.options.destinations.get(name)
    if options is None:
        known = ", ".join(loaded.options.destinations) or "none"
        raise RelayError("bad_argument", f"No destination {name!r} is configured.", f"Configured: {known}.")
    event = event_of(loaded, source, webhook, at_ms)
    mapper = build_mapper(loaded.options, build_library(loaded).snapshot) if is_mapped(options) else None
    destination = build_destination(name, options, RequestExpressions())
    wanted = Wanted(options.sources, options.tracked_events)
    found: list[Preview] = []
    for index, made in enumerate(rendered.calls):
        call = Call(
            CallId(0), event.id, made.tracked_event, made.message_id, made.text, made.template_version, at_ms, source
        )
        task = MapTask(call, event, {}, [earlier.text for earlier in rendered.calls[:index]])
        found.append(preview(name, destination, wanted, mapper, task, at_ms))
    return found
