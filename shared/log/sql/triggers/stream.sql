create or replace trigger refuse_delete
  before delete on log.stream for each row execute function log.refuse();
create or replace trigger refuse_truncate
  before truncate on log.stream for each statement execute function log.refuse();
