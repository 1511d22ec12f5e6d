-- A task keeps its name. `for update` needs the right to change some column.
revoke update on log.schedule from modelog_service;
grant update (due) on log.schedule to modelog_service;
