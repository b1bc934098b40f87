-- Privacy: what was erased, who asked for it; and secrets that can be checked again but not read.

-- Events whose contents were erased; their rows stay, empty, so that cursors and outcomes stay whole.
create table forgotten (
  event_id integer primary key,
  at_ms integer not null
);
-- A call without a text is one of a forgotten event.
create index calls_forgotten on calls (lane, partition) where text = '';

create table audit (
  id integer primary key autoincrement,
  at_ms integer not null,
  source text not null,
  kind text not null,
  event_id integer,
  events integer not null,
  calls integer not null,
  quarantined integer not null
);

alter table quarantine add column verifier text not null default '';
