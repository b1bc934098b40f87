-- For the latest attempt of a destination.
create index attempts_by_destination on attempts (destination);
