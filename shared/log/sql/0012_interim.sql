create table log.schedule (
  name text primary key,
  due  timestamptz not null
);
create table log.state_snapshot (
  stream   text collate "C" not null,
  decider  text collate "C" not null,
  fold     text not null,
  version  int not null,
  at       timestamptz not null default clock_timestamp(),
  state    jsonb not null,
  answered bytea not null,
  blocks   bytea[] not null,
  primary key (stream, decider)
);
alter table log.state_snapshot alter answered set storage external, alter blocks set storage external;
grant select, insert, update, delete on log.state_snapshot to modelog_service;
grant select, insert, update on log.schedule to modelog_service;
