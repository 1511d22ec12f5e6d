-- When each periodic task is due next. Whoever runs a task holds its row `for update skip locked`, so that a
-- single instance of several runs it, by the time of Postgres.
create table log.schedule (
  name text primary key,
  due  timestamptz not null
);

grant select, insert, update on log.schedule to modelog_service;
