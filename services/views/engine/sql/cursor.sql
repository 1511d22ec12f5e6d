-- How far each view has come, in which generation of its table, and which fold made it.
create table if not exists registry.cursor (
  view       text primary key,
  fold       int not null,
  digest     text not null,
  generation int not null,
  position   bigint not null
) with (fillfactor = 10);
