-- The held topics of these kinds have their facts up to _upto, where they are still at _position: a topic that was made
-- again meanwhile is to be filled from 0. At the relay's cursor a topic is held no more. The relay's leader alone,
-- forward, and not beyond the relay's cursor.
create or replace function log.advance_topics(_kinds text[], _position bigint, _upto bigint) returns void
language plpgsql security definer set search_path = log, pg_temp as $$
#variable_conflict use_column
declare
  done bigint := coalesce((select position from cursor where follower = 'relay'), 0);
begin
  if not log.holds_lock('relay') then
    raise exception 'held topics are moved by the relay''s leader: this session does not hold the lock'
      using errcode = 'LOG05';
  end if;
  if (_position <= _upto and _upto <= done) is not true then
    raise exception 'topics cannot go from % to %: the relay''s cursor is at %', _position, _upto, done
      using errcode = 'LOG06';
  end if;
  if _upto = done then
    delete from held_topic where kind = any (_kinds) and position = _position;
  else
    update held_topic set position = _upto where kind = any (_kinds) and position = _position;
  end if;
end $$;

revoke execute on function log.advance_topics(text[], bigint, bigint) from public;
grant execute on function log.advance_topics(text[], bigint, bigint) to modelog_service;
