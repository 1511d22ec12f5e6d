-- How far each follower of the log has come; the relay raises its own after Kafka has acknowledged.
create table log.cursor (
  follower text primary key,
  position bigint not null
);
