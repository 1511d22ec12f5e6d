-- What a decider's fold made of a long stream up to a version, so that a cold answer need not read all of it. Only a
-- saving: whatever stands here can be deleted. The ids cannot be compressed, and the pages are already.
create table log.snapshot (
  stream  text collate "C" not null,
  decider text collate "C" not null,
  fold    text not null,
  version int not null,
  at      timestamptz not null default clock_timestamp(),
  told    jsonb not null,
  said    bytea not null,
  pages   bytea[] not null,
  primary key (stream, decider)
);
alter table log.snapshot alter said set storage external, alter pages set storage external;

grant select, insert, update, delete on log.snapshot to modelog_service;
