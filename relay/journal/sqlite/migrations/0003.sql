-- How a replay or backfill is to be worked. A table of its own: behind an event's body it would be slow to read.

-- Its key is not called event_id, so that it can be asked for beside a column of that name.
create table event_options (
  event integer primary key,
  options text not null
);
