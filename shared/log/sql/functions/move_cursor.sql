-- Move the cursor of a follower: its leader alone, forward, and not beyond what is settled. The owner of the database
-- may write the table itself, after commits were lost. Primary and READ COMMITTED only, as log.settled.
create or replace function log.move_cursor(_follower text, _position bigint) returns void
language plpgsql security definer set search_path = log, pg_temp as $$
declare
  top bigint;
begin
  if not log.holds_lock(_follower) then
    raise exception 'the cursor of % is moved by its leader: this session does not hold the lock', _follower
      using errcode = 'LOG05';
  end if;
  top := log.settled();
  if (_position <= top) is not true then
    raise exception 'the cursor of % cannot be at %: the log is settled up to %', _follower, _position, top
      using errcode = 'LOG06';
  end if;
  insert into cursor (follower, position) values (_follower, _position)
  on conflict (follower) do update set position = excluded.position where cursor.position <= excluded.position;
  if not found then
    raise exception 'the cursor of % cannot go back to %', _follower, _position using errcode = 'LOG06';
  end if;
end $$;

revoke execute on function log.move_cursor(text, bigint) from public;
grant execute on function log.move_cursor(text, bigint) to modelog_service;
