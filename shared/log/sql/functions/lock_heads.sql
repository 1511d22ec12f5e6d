-- Lock the heads of these streams until the transaction ends, in order of name as log.append does. Who lost an append to
-- other writers takes its turn so: what it reads and decides behind this lock, no other writer can overtake. The horizon
-- lock is not among these: it is taken at the insert, and the log's readers wait for no decision.
create or replace function log.lock_heads(_streams text[]) returns void
language sql security definer set search_path = log, pg_temp as $$
  select from stream where stream = any (_streams) order by stream for update
$$;

revoke execute on function log.lock_heads(text[]) from public;
grant execute on function log.lock_heads(text[]) to modelog_service;
