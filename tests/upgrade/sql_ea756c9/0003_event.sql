-- Every fact, once. (stream, version) is unique because a stream's head row is; the table, partitioned by position,
-- could not say so itself. There is no index on id: a repeat is recognised at its version.
create table log.event (
  position bigint not null default nextval('log.position'),
  stream   text collate "C" not null,
  version  int not null,
  kind     text collate "C" not null,
  id       uuid not null,
  at       timestamptz not null default clock_timestamp(),
  data     jsonb not null,
  meta     jsonb not null,
  primary key (position)
) partition by range (position);

create index on log.event (stream, version);
