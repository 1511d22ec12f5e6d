-- What services may do with the tables of the log; each function's file grants its own use.
grant usage on schema log to modelog_service;
grant select on log.event, log.stream to modelog_service;
grant select, insert, update on log.cursor to modelog_service;
grant select on sequence log.position to modelog_service;
