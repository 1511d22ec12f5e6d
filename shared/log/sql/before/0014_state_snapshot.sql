-- The state that a decider folded from a long stream up to a version, and the causes it has answered by then, so that a
-- cold start need not read the whole stream. Only a saving: any row may be deleted. `fold` names the code that made the
-- row; other code passes it over. `answered` cannot be compressed, and `blocks` are compressed already. It replaces
-- log.snapshot, which processes of earlier versions still use.
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
