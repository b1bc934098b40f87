-- The same tables as in the SQLite journal (relay/journal/sqlite/migrations), with their indexes.
-- Ids are never used again: cursors outlive the rows that retention removes. Sequences have no cache:
-- with one, a session would give out ids below those that readers have passed (relay/journal/postgres/horizon.py).

create table meta (
  name text primary key,
  value text not null
);

create sequence events_id as bigint;
create sequence calls_id as bigint;

-- The primary key holds what lists are filtered by, so that walking them does not read the rows.
-- No text of unknown length is in an index: PostgreSQL refuses entries over 2.7 KB. A long delivery key
-- stands in long_key, and in delivery_key its digest.
create table events (
  id bigint not null default nextval('events_id'),
  lane text not null,
  partition bigint not null,
  source text not null,
  topic text not null,
  delivery_key text not null,
  entity text not null,
  occurred_at_ms bigint,
  received_at_ms bigint not null,
  replay_of bigint,
  long_key text,
  options text,
  headers text not null,
  body bytea not null,
  primary key (id) include (received_at_ms, source)
);
create unique index events_by_delivery on events (source, delivery_key) where replay_of is null;
create index events_by_stage on events (source, lane, partition, id);
create index events_by_arrival on events (source, received_at_ms) where lane = 'live';
create index events_by_origin on events (replay_of, id) where replay_of is not null;

-- Search keys, in lower case; of a long one its digest.
create table event_keys (
  key text not null,
  event_id bigint not null,
  primary key (key, event_id)
);
create index event_keys_by_event on event_keys (event_id);

create table fetched (
  event_id bigint not null,
  name text not null,
  document text not null,
  primary key (event_id, name)
);

create table calls (
  id bigint primary key default nextval('calls_id'),
  lane text not null,
  partition bigint not null,
  event_id bigint not null,
  tracked_event text not null,
  message_id text not null,
  template_version text not null,
  text text not null
);
create index calls_by_stage on calls (lane, partition, id);
create index calls_by_event on calls (event_id, id);
-- A call without a text is one of a forgotten event.
create index calls_forgotten on calls (lane, partition, id) where text = '';

create sequence outcomes_id as bigint;
create table outcomes (
  id bigint primary key default nextval('outcomes_id'),
  event_id bigint not null,
  call_id bigint,
  attempt_id bigint,
  destination text not null,
  message_id text not null,
  kind text not null,
  code text not null,
  detail text not null,
  at_ms bigint not null
);
create index outcomes_by_event on outcomes (event_id, id);
create index outcomes_undelivered on outcomes (kind, event_id) where kind <> 'delivered';

-- Outlives retention, so that nothing is sent twice. call_id tells who was first within a batch.
create table delivered (
  destination text not null,
  message_id text not null,
  call_id bigint not null,
  primary key (destination, message_id)
);

create sequence attempts_id as bigint;
create table attempts (
  id bigint primary key default nextval('attempts_id'),
  destination text not null,
  lane text not null,
  partition bigint not null,
  started_at_ms bigint not null,
  duration_ms bigint not null,
  status bigint not null,
  verdict text not null,
  code text not null,
  calls bigint not null,
  first_call bigint not null,
  last_call bigint not null,
  answer text not null,
  request text not null
);
create index attempts_by_call on attempts (lane, partition, first_call);
create index attempts_by_destination on attempts (destination, id);

-- Moved with every batch: room on the page lets it be done in place.
create table cursors (
  stage text not null,
  lane text not null,
  partition bigint not null,
  position bigint not null,
  primary key (stage, lane, partition)
) with (fillfactor = 50);

create table gates (
  name text primary key,
  failures bigint not null,
  not_before_ms bigint not null,
  code text not null,
  why text not null
) with (fillfactor = 50);

create sequence quarantine_id as bigint;
create table quarantine (
  id bigint primary key default nextval('quarantine_id'),
  source text not null,
  code text not null,
  detail text not null,
  received_at_ms bigint not null,
  headers text not null,
  body bytea not null,
  verifier text not null default ''
);
create index quarantine_by_source on quarantine (source, id);
create index quarantine_by_arrival on quarantine (received_at_ms, id);
create index quarantine_by_code on quarantine (source, code, received_at_ms);

-- Events whose contents were erased; their rows stay, empty, so that cursors and outcomes stay whole.
create table forgotten (
  event_id bigint primary key,
  at_ms bigint not null
);

create sequence audit_id as bigint;
create table audit (
  id bigint primary key default nextval('audit_id'),
  at_ms bigint not null,
  source text not null,
  kind text not null,
  event_id bigint,
  events bigint not null,
  calls bigint not null,
  quarantined bigint not null
);
