-- When a source's webhooks came, by hour; and why requests were refused, without reading their bodies.

create index events_by_arrival on events (source, received_at_ms) where lane = 'live';
create index quarantine_by_code on quarantine (source, code, received_at_ms);
