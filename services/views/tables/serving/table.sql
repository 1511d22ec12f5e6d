-- A slot changes with every promotion: room in the pages keeps the changes off the index.
alter table {table} set (fillfactor = 50), add primary key (model, stage);

analyze {table};
