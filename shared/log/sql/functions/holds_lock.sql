-- Whether this session is the leader of a follower: it holds the follower's lock, whose key `lock_keys.py` derives from
-- the name in the same way.
create or replace function log.holds_lock(_follower text) returns boolean
language sql volatile set search_path = log, pg_temp as $$
  select exists (
         select from pg_locks
          where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and pid = pg_backend_pid()
            and database = (select oid from pg_database where datname = current_database())
            and (classid::bigint, objid::bigint, objsubid) = (
                case _follower when 'relay' then 0 else 24302 end,
                case _follower
                when 'relay' then 24302
                when 'views' then 2
                else (('x' || encode(substr(sha256(convert_to(_follower, 'UTF8')), 1, 4), 'hex'))::bit(32)::int
                      & (2 ^ 30)::int - 1) + (2 ^ 30)::int
                end,
                case _follower when 'relay' then 1 else 2 end)
         )
$$;

revoke execute on function log.holds_lock(text) from public;
