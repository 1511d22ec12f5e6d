-- Every fact changes a row here: room in the pages keeps the changes off the index.
alter table {table} set (fillfactor = 50), add primary key (model);

analyze {table};
