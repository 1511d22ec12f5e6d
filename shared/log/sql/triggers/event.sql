-- Replacing a row trigger of the parent replaces it on every partition; log.extend makes the statement triggers there.
create or replace trigger hold
  before insert on log.event for each statement execute function log.hold();
create or replace trigger refuse_change
  before update or delete on log.event for each row execute function log.refuse();
create or replace trigger refuse_truncate
  before truncate on log.event for each statement execute function log.refuse();
