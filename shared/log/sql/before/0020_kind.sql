-- The kinds of facts, which log.append accepts and no others. `operations setup` inserts those of its version, before
-- the first process that appends them starts; a kind stays.
create table log.kind (
  kind text collate "C" primary key
);
