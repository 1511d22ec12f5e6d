-- The key gives a model's versions in order, the index the versions that answer a request for retraining.
alter table {table} add primary key (model, version);

create index on {table} (answers) where answers is not null;

-- The planner needs the keys only; to analyze the wide values takes as long as the fold.
analyze {table} (model, version, answers);
