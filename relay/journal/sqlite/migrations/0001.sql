-- Every index ends with the row's id by itself, so "(lane, partition)" is also in order of id.
-- Ids are never used again (autoincrement): cursors outlive the rows that retention removes.

create table meta (
  name text primary key,
  value not null
) without rowid;

-- The body comes last, so that reading the other columns of a large event stays cheap.
create table events (
  id integer primary key autoincrement,
  lane text not null,
  partition integer not null,
  source text not null,
  topic text not null,
  delivery_key text not null,
  entity text not null,
  occurred_at_ms integer,
  received_at_ms integer not null,
  replay_of integer,
  headers text not null,
  body blob not null
);
create unique index events_by_delivery on events (source, delivery_key) where replay_of is null;
create index events_by_stage on events (source, lane, partition);
-- What lists are filtered by, so that walking them does not read the bodies' pages.
create index events_in_brief on events (id, received_at_ms, source, topic);
create index events_by_origin on events (replay_of) where replay_of is not null;

-- Search keys, in lower case.
create table event_keys (
  key text not null,
  event_id integer not null,
  primary key (key, event_id)
) without rowid;
create index event_keys_by_event on event_keys (event_id);

create table fetched (
  event_id integer not null,
  name text not null,
  document text not null,
  primary key (event_id, name)
);

create table calls (
  id integer primary key autoincrement,
  lane text not null,
  partition integer not null,
  event_id integer not null,
  tracked_event text not null,
  message_id text not null,
  template_version text not null,
  text text not null
);
create index calls_by_stage on calls (lane, partition);
create index calls_by_event on calls (event_id);

create table outcomes (
  id integer primary key autoincrement,
  event_id integer not null,
  call_id integer,
  attempt_id integer,
  destination text not null,
  message_id text not null,
  kind text not null,
  code text not null,
  detail text not null,
  at_ms integer not null
);
create index outcomes_by_event on outcomes (event_id);
create index outcomes_undelivered on outcomes (kind, event_id) where kind <> 'delivered';

-- Outlives retention, so that nothing is sent twice. call_id tells who was first within a batch.
create table delivered (
  destination text not null,
  message_id text not null,
  call_id integer not null,
  primary key (destination, message_id)
) without rowid;

create table attempts (
  id integer primary key autoincrement,
  destination text not null,
  lane text not null,
  partition integer not null,
  started_at_ms integer not null,
  duration_ms integer not null,
  status integer not null,
  verdict text not null,
  code text not null,
  calls integer not null,
  first_call integer not null,
  last_call integer not null,
  answer text not null,
  request text not null
);
create index attempts_by_call on attempts (lane, partition, first_call);

create table cursors (
  stage text not null,
  lane text not null,
  partition integer not null,
  position integer not null,
  primary key (stage, lane, partition)
) without rowid;

create table gates (
  name text primary key,
  failures integer not null,
  not_before_ms integer not null,
  code text not null,
  why text not null
) without rowid;

create table quarantine (
  id integer primary key autoincrement,
  source text not null,
  code text not null,
  detail text not null,
  received_at_ms integer not null,
  headers text not null,
  body blob not null
);
create index quarantine_by_source on quarantine (source);
create index quarantine_by_arrival on quarantine (received_at_ms);
