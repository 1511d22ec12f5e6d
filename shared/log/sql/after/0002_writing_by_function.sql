-- Processes of earlier versions move cursors and held topics by statements of their own; now functions do, and check.
revoke insert, update on log.cursor from modelog_service;
grant select on log.cursor to modelog_service;
revoke insert, update, delete on log.held_topic from modelog_service;
revoke delete on log.state_snapshot from modelog_service;
