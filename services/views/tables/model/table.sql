-- Every fact changes a row: free space in the pages makes that possible without a change of the index.
alter table {table} set (fillfactor = 50), add primary key (model);

analyze {table};
