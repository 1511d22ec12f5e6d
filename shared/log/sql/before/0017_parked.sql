-- What the topic `parked` says, kept by the service `parked` to be asked by cause, newest first. Anybody who can write
-- to the topic can make a row: what it says counts only as far as the record at (topic, partition, "offset") has the
-- same digest. `id` is made of everything that a record of the topic says, so that it is one row however often it is
-- read, and no row can take the place of another.
create table log.parked (
  number     bigint generated always as identity primary key,
  id         uuid not null unique,
  topic      text collate "C" not null,
  partition  int not null,
  "offset"   bigint not null,
  service    text collate "C" not null,
  at         timestamptz not null,
  reason     text not null,
  cause      uuid,
  source     text,
  message_id text,
  digest     bytea
);
create index on log.parked (cause);
create index on log.parked (topic, partition, "offset");

-- Records that were sent again after they were parked, by their place and the digest of what is there: a topic that is
-- made again has other records at the same places.
create table log.parked_sent (
  topic     text collate "C" not null,
  partition int not null,
  "offset"  bigint not null,
  service   text collate "C" not null,
  digest    bytea not null,
  at        timestamptz not null default clock_timestamp(),
  primary key (topic, partition, "offset", service, digest)
);

grant select, insert on log.parked, log.parked_sent to modelog_service;
