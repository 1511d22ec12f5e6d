-- The last position that was given out, and the open transaction that keeps log.settled() below it, if there is any:
-- its process, the name of its application and the seconds since it began. The owner of the database may read this of
-- every session, the role of the services may not. Primary only.
create or replace function log.horizon() returns table (last bigint, pid int, application text, seconds float)
language sql volatile security definer set search_path = log, pg_catalog, pg_temp as $$
  select coalesce(pg_sequence_last_value('log.position'), 0), h.pid, a.application_name,
         extract(epoch from clock_timestamp() - a.xact_start)
    from (values (1)) always
    left join lateral (
         select pid from pg_locks
          where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 16 = 24301
            and database = (select oid from pg_database where datname = current_database())
          order by ((classid::bigint << 32) | objid::bigint) & ((1::bigint << 48) - 1)
          limit 1
         ) h on true
    left join pg_stat_activity a on a.pid = h.pid
$$;

revoke execute on function log.horizon() from public;
grant execute on function log.horizon() to modelog_service;
