-- Let the topics of these kinds wait, each at its position or at an earlier position that it has: the relay's leader
-- alone, and not beyond the relay's cursor, or facts would never be sent.
create or replace function log.hold_topics(_kinds text[], _positions bigint[]) returns void
language plpgsql security definer set search_path = log, pg_temp as $$
#variable_conflict use_column
declare
  done bigint := coalesce((select position from cursor where follower = 'relay'), 0);
begin
  if not log.holds_lock('relay') then
    raise exception 'topics are held by the relay''s leader: this session does not hold the lock'
      using errcode = 'LOG05';
  end if;
  if (0 <= all (_positions) and done >= all (_positions)) is not true then
    raise exception 'topics cannot wait at %: the relay''s cursor is at %', _positions, done using errcode = 'LOG06';
  end if;
  insert into held_topic (kind, position) select * from unnest(_kinds, _positions)
  on conflict (kind) do update set position = least(held_topic.position, excluded.position);
end $$;

revoke execute on function log.hold_topics(text[], bigint[]) from public;
grant execute on function log.hold_topics(text[], bigint[]) to modelog_service;
