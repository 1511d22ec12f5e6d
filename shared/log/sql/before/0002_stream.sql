-- A stream's head is its lock and its version: the number of facts in it. One stream a model.
create table log.stream (
  stream  text collate "C" primary key,
  version int not null check (version > 0)
) with (fillfactor = 70);
