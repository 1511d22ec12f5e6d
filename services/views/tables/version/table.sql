-- The key serves a model's versions in order; the index tells who answered a request for retraining.
alter table {table} add primary key (model, version);

create index on {table} (answers) where answers is not null;

-- The planner needs the keys; the values are wide, and looking at them takes as long as the fold.
analyze {table} (model, version, answers);
