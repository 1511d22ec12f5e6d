-- How far each view is, in which generation of its table, and which version of its fold made that.
create table if not exists registry.cursor (
  view       text primary key,
  fold       int not null,
  digest     text not null,
  generation int not null,
  position   bigint not null
) with (fillfactor = 10);

-- The SQL that made the table in use, so that a process with a newer fold can follow the log with the old table until
-- the new table is built; `shown` is the public view. A row of another generation than the cursor's counts as missing.
create table if not exists registry.definition (
  view       text primary key,
  generation int not null,
  fold       text not null,
  merge      text not null,
  shown      text not null
);
