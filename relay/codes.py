"""Every stable code a person can meet, with its meaning and what to do. The one table.

`docs/errors.md` is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    meaning: str
    remedy: str


CODES: dict[str, Code] = {
    # -- configuration and start
    "config_not_found": Code("The configuration file is not there.", "Run `relay init`, or name one with --config."),
    "config_syntax": Code("The configuration file is not TOML.", "Mend the line named in the message."),
    "config_invalid": Code(
        "An option is unknown or has a wrong value.", "Mend what the message names; `relay config --options` lists all."
    ),
    "config_missing": Code("A required option is not set.", "Set it in relay.toml or by its RELAY_… variable."),
    "needs_restart": Code(
        "The changed configuration has something that only a restart puts in use.",
        "Restart the relay, or take that change back and let it read the configuration again.",
    ),
    "port_in_use": Code("Another program listens on the port.", "Stop that program, or set server.port."),
    "template_invalid": Code("A template cannot be compiled.", "Mend the template at the line named in the message."),
    "template_unknown": Code(
        "A file in the templates folder belongs to no known tracked event.", "Rename or remove it."
    ),
    "plan_invalid": Code("A tracking plan is not a JSON Schema.", "Mend the plan named in the message."),
    "journal_unavailable": Code(
        "The journal cannot be read or written.", "Free disk space or mend access; the relay goes on by itself."
    ),
    "journal_newer": Code("The journal was written by a newer relay.", "Run that version or a later one."),
    "journal_older": Code(
        "The journal was written by an older relay, which may be running.",
        "Start this version (`relay serve` brings the journal up to date), or run `relay migrate`.",
    ),
    "journal_in_use": Code(
        "Another relay runs on the same SQLite journal.", "Stop it, or give this one another journal.url."
    ),
    "journal_driver": Code("The driver of PostgreSQL is not installed.", "Install commerce-relay[postgres]."),
    "journal_server": Code("The PostgreSQL server is too old.", "Use version 14 or later."),
    "journal_pooled": Code(
        "A pooler before PostgreSQL gives every transaction another session (PgBouncer: pool_mode = transaction).",
        "Put the relay's database into session mode, or connect to the server itself.",
    ),
    "journal_not_empty": Code("The journal to copy into has something in it.", "Name a new file or an empty database."),
    "journal_differs": Code(
        "The copied journal is not the same as the original.", "Stop every relay on both, empty the copy, copy again."
    ),
    # -- intake
    "unknown_source": Code(
        "No source of this name is configured.", "Compare the webhook URL with [sources] in relay.toml."
    ),
    "signature_missing": Code(
        "The webhook carries no secret or signature.",
        "Set the same secret in the platform's webhook and in the source.",
    ),
    "signature_mismatch": Code(
        "The webhook's secret or signature is not one of the configured.",
        "Compare the platform's secret with sources.<name>.secret.",
    ),
    "sender_refused": Code(
        "The webhook came from an address that the platform does not send from.",
        "Behind a proxy, name it in server.trusted_proxies; else compare the address in quarantine with the networks.",
    ),
    "signature_expired": Code(
        "The webhook was signed too long ago, or in the future.", "Set the relay's clock; the platform sends again."
    ),
    "signature_key_unknown": Code(
        "The webhook is signed with a key that the platform does not publish.",
        "Compare the platform's address with the source's; `relay check` fetches its keys.",
    ),
    "keys_unavailable": Code(
        "The platform's public keys cannot be fetched, so nobody can tell whether the webhook is genuine.",
        "See `relay check`; the platform sends again, or `relay quarantine recheck` lets it in.",
    ),
    "body_not_json": Code("The body is not JSON.", "Look at it with `relay quarantine`; the platform must send JSON."),
    "body_not_object": Code(
        "The body is JSON, but not an object of the platform's form.", "Look at it with `relay quarantine`."
    ),
    "body_too_large": Code("The body is over server.max_body_bytes.", "Raise the limit if such webhooks are wanted."),
    "write_key_unknown": Code(
        "The write key is that of no source.", "Compare the library's write key with sources.<name>.write_key."
    ),
    "page_refused": Code(
        "The web page is not one of those that may send calls.", "Put its origin into sources.<name>.allowed_origins."
    ),
    "endpoint_unknown": Code(
        "The tracking API has no such endpoint.", "Use /v1/batch, or /v1/ and the type of the call."
    ),
    "batch_too_large": Code(
        "The request is over sources.<name>.max_batch_bytes, or has more than 2,500 calls.", "Send smaller batches."
    ),
    "call_too_large": Code(
        "The call is over sources.<name>.max_call_bytes.",
        "Send less with it; or raise the limit, and `relay quarantine recheck`.",
    ),
    "call_unknown": Code(
        "The call is of no type of Segment's specification.", "Look at it with `relay quarantine`, mend what sends it."
    ),
    "body_encoding": Code("The body's Content-Encoding cannot be undone.", "Send it plain or as gzip."),
    "media_type": Code("The body is not JSON and does not claim to be.", "The platform must send application/json."),
    "topic_missing": Code(
        "The webhook does not say what happened.", "Check that the URL is registered for webhooks of this platform."
    ),
    "source_quiet": Code(
        "Nothing has come from the source for much longer than is usual at this time.",
        "Look at the webhook in the platform: some switch one off after failures. `relay sources` tells more.",
    ),
    "worker_only": Code(
        "This node only renders and delivers (--role worker).", "Send webhooks to nodes with the role intake or all."
    ),
    "worker_ended": Code("The process that renders and delivers ended.", "See the log; it is started anew."),
    "stopping": Code("The relay is shutting down.", "The platform will retry."),
    # -- rendering
    "no_tracked_event": Code(
        "No tracked event is on for this topic.", "Set the topic under sources.<name>.tracking if it is wanted."
    ),
    "switched_off": Code(
        "The topic belongs to a tracked event that is switched off or put on another topic.",
        "Set it under sources.<name>.tracking if it is wanted.",
    ),
    "no_template": Code(
        "There is no template for the tracked event on this platform.",
        "Add templates/sources/<platform>/<tracked_event>.jsonata.",
    ),
    "source_removed": Code("The event's source is no longer configured.", "Configure it again and replay."),
    "template_empty": Code("The template returned nothing, so no call was made.", "Nothing, if that is meant."),
    "template_failed": Code("The template failed on this event.", "Mend the template, then `relay replay`."),
    "template_timeout": Code("The template took longer than templates.timeout_ms.", "Simplify it or raise the limit."),
    "template_limit": Code("The template went over a limit of depth or size.", "Simplify it or raise the limit."),
    "template_suspicious": Code(
        "A template does what is probably not meant: a warning.", "Look at the place named; it is used as it is."
    ),
    "engines_differ": Code(
        "The two JSONata engines do not make the same of a template.", "Write the expression another way."
    ),
    "render_failed": Code("The relay itself failed on this event.", "Please report it; then update and replay."),
    "template_result": Code(
        "The template's result is not a call or an array of calls.", "Return an object with `type`."
    ),
    "body_unreadable": Code("The stored body cannot be read.", "See `relay show`."),
    "guard_type": Code("`type` is not one of identify, track, page, screen, group, alias.", "Mend the template."),
    "guard_identity": Code(
        "Neither `userId` nor `anonymousId` is a text with content.", "Mend the template, or the guest setting."
    ),
    "guard_event": Code("`event` of a track call is not a text with content.", "Mend the template."),
    "guard_object": Code("A field that must be an object is not one.", "Mend the template."),
    "guard_text": Code("A field that must be text is not.", "Mend the template."),
    "guard_size": Code("The call is larger than the destination takes.", "Leave something out in the template."),
    "guard_spec": Code(
        "The call departs from Segment's specification: a misspelt property, a wrong type, no `order_id`.",
        "Mend the template; it is an error with templates.strict = true, else a warning.",
    ),
    "guard_plan": Code(
        "The call departs from your tracking plan.",
        "Mend the template or the plan; it is an error with templates.strict = true, else a warning.",
    ),
    "guard_timestamp": Code("`timestamp` is not an ISO 8601 time.", "Mend the template; $isoTime helps."),
    "completion_unconfigured": Code(
        "The webhook holds too little, and the source has no commerce connection that could fetch the rest.",
        "Set sources.<name>.commerce, then `relay replay`.",
    ),
    "completion_missing": Code(
        "The platform does not know the document the webhook names.", "Nothing, if it was deleted; else replay."
    ),
    "completion_waiting": Code(
        "The commerce API does not answer; rendering of the source waits.", "Nothing; it goes on by itself."
    ),
    "completion_refused": Code(
        "The commerce API refuses the credentials; rendering of the source waits.",
        "Mend sources.<name>.commerce; `relay check` tries it.",
    ),
    # -- privacy
    "forgotten": Code("What it held was erased at somebody's request before it was sent.", "Nothing."),
    "privacy_done": Code(
        "The platform asked to erase data of a customer or shop, and it was done.", "Nothing; `relay audit` lists it."
    ),
    "privacy_unread": Code(
        "A privacy request cannot be read, and nothing was erased.", "See `relay show`, and use `relay forget`."
    ),
    "data_request": Code(
        "The platform asks for what is kept of a customer.", "`relay export --event ID` writes it; pass it on in time."
    ),
    "body_expired": Code(
        "What it held was dropped after retention.bodies_days, so it cannot be worked again.",
        "Nothing; raise the limit if bodies are wanted for longer.",
    ),
    # -- delivery
    "accepted": Code("The destination took the bytes.", "Nothing."),
    "accepted_maybe_twice": Code(
        "The destination took the bytes, perhaps a second time: an earlier attempt may have got there unheard.",
        "Compare with the vendor's own reports if it matters.",
    ),
    "probably_taken": Code(
        "The destination refuses the call as if it knew it; an earlier attempt may have got there unheard.",
        "Nothing; look it up at the vendor if it matters.",
    ),
    "not_applicable": Code("The vendor has nothing that the call could become.", "Nothing, if that is meant."),
    "too_old": Code(
        "The call is older than the destination can take.",
        "Nothing, if that is meant; else raise destinations.<name>.max_age_s and replay.",
    ),
    "other_currency": Code(
        "The call is in another currency than the destination's account.",
        "Nothing, if that is meant; else set a rate in destinations.<name>.rates and replay.",
    ),
    "record_incomplete": Code(
        "What the mapping made lacks a field without which the vendor takes nothing.", "Mend the mapping, replay."
    ),
    "refused_later": Code(
        "The destination took the request and refused this record afterwards.",
        "See the reason in `relay show`, mend mapping or template, replay.",
    ),
    "account_refused": Code(
        "The vendor knows the account and does not serve it.", "Ask the vendor's support; the queue is kept."
    ),
    "origin_refused": Code(
        "The domain is not the one that the vendor has registered for the key.",
        "Mend destinations.<name>.origin; the queue is kept.",
    ),
    "answer_unreadable": Code(
        "The destination's answer does not say what became of the request.",
        "Check the address; delivery goes on by itself.",
    ),
    "test_mode": Code("The destination is in test mode: nothing was sent.", 'Set mode = "live".'),
    "already_delivered": Code("The same fact was delivered to this destination before.", "Nothing."),
    "filtered": Code("The destination's filter leaves this call out.", "Nothing, if that is meant."),
    "not_chosen": Code("A replay or backfill was for other destinations.", "Nothing, if that is meant."),
    "no_calls_kept": Code("Nothing is kept of what the event was rendered to then.", "Replay it with rendering."),
    "no_mapping": Code(
        "The destination's kind has no mapping for such a call.",
        "Nothing, if that is meant; else add templates/destinations/<kind>/<tracked_event>.jsonata.",
    ),
    "mapping_empty": Code("The mapping returned nothing, so nothing was sent.", "Nothing, if that is meant."),
    "no_probe": Code("The vendor has no check of the connection without side effects.", "Nothing."),
    "paused": Code("The destination is paused; its queue is kept.", "`relay destinations resume NAME`."),
    "rate_limited": Code("The destination asks to slow down.", "Nothing; delivery goes on by itself."),
    "server_error": Code("The destination failed.", "Nothing; delivery goes on by itself."),
    "timeout": Code("The destination did not answer in time.", "Nothing; delivery goes on by itself."),
    "connection_failed": Code(
        "The destination could not be reached.", "Check host and network; delivery goes on by itself."
    ),
    "host_unknown": Code(
        "The destination's host has no address.", "Check the host's spelling and the DNS; delivery goes on by itself."
    ),
    "tls_failed": Code(
        "The destination's certificate is not valid.", "Check the host; set outgoing.ca_file for an own authority."
    ),
    "address_refused": Code(
        "The destination is on a private address.", "Set outgoing.allow_private = true if that is meant."
    ),
    "batch_refused": Code("The destination refused a request of several calls; it is split.", "Nothing."),
    "call_refused": Code(
        "The destination refused this call.", "See the answer in `relay show`, mend the template, replay."
    ),
    "call_failed_repeatedly": Code(
        "This call failed again and again while others went through.", "See the answer in `relay show`, mend, replay."
    ),
    "envelope_failed": Code(
        "The envelope of the destination cannot be made of these records.",
        "Mend destinations.<name>.envelope, then replay.",
    ),
    "success_rule": Code(
        "The destination's success rule fails on the answer, or takes it for a wrong configuration.",
        "Mend destinations.<name>.success or what it names; the queue is kept.",
    ),
    "key_refused": Code("The destination refuses the key.", "Mend the key in the configuration; the queue is kept."),
    "path_unknown": Code(
        "The destination does not know the path, or the source there is disabled.",
        "Mend host and path; the queue is kept.",
    ),
    "redirected": Code(
        "The destination answers with a redirect, which is not followed.",
        "Set host and path to the final address; the queue is kept.",
    ),
    "not_supported": Code("The destination cannot do what is asked.", "Check host and path; the queue is kept."),
    # -- command line
    "not_found": Code("There is nothing by this id.", "List with `relay events` or `relay quarantine`."),
    "bad_argument": Code("A value on the command line cannot be read.", "See --help."),
    "file_exists": Code("A file that would be written is already there.", "Use --force to overwrite it."),
    "system_refused": Code("The operating system refused.", "Mend the path, its rights or the space on the disk."),
    "bug": Code("The relay has a bug.", "Run the command again with --debug and report what it prints."),
    "case_invalid": Code("A case file cannot be run.", "Mend what the message names."),
    "connection_check": Code("A connection check failed.", "See the message."),
}


class RelayError(Exception):
    """An error that is shown to a person: a code, what happened to which thing, what to do next."""

    def __init__(self, code: str, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy if remedy is not None else CODES[code].remedy

    def __str__(self) -> str:
        return f"{self.message} [{self.code}] {self.remedy}".rstrip()
