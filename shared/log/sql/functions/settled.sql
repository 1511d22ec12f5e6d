-- Every position up to the returned position is decided: visible to the next statement, or never. The counter is read
-- first, then the locks: a writer that is not in the lock table by then has either committed, or locks later and draws
-- above the counter. Primary only (a standby does not show the locks), and READ COMMITTED only (the reader's next
-- statement must take its snapshot after this statement).
create or replace function log.settled() returns bigint language plpgsql volatile as $$
declare
  top  bigint := coalesce(pg_sequence_last_value('log.position'), 0);
  held bigint;
begin
  select min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 48) - 1)) into held
    from pg_locks
   where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 16 = 24301
     and database = (select oid from pg_database where datname = current_database());
  return least(top, held);
end $$;

revoke execute on function log.settled() from public;
grant execute on function log.settled() to modelog_service;
