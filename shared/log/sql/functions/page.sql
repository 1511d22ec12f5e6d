-- The facts in (_after, _upto] in order, with the epoch of each: at most _facts, and none behind the fact with which
-- their text comes to _bytes, whose bytes_left is 0 or less. What jsonb stores in 82 KiB it may print as 3.5 MiB (1e300
-- is stored in 12 bytes), so the text is counted here, before it is sent. Of these kinds if _only is not null, and of no
-- kind in _without.
create or replace function log.page(
  _after bigint, _upto bigint, _facts int, _bytes bigint, _only text[], _without text[]
) returns table (
  "position" bigint, stream text, kind text, id uuid, at timestamptz, version text, data text, meta text, epoch int,
  bytes_left bigint
)
language plpgsql stable set search_path = log, pg_temp as $$
#variable_conflict use_column
declare
  fact   record;
  newest record;
begin
  select e.epoch, e.after_position into newest from epoch e order by e.epoch desc limit 1;
  for fact in
    select e.position, e.stream, e.kind, e.id, e.at, e.data, e.meta from event e
     where e.position > _after and e.position <= _upto
       and (_only is null or e.kind = any (_only)) and e.kind <> all (_without)
     order by e.position
     limit _facts
  loop
    position := fact.position;
    stream := fact.stream;
    kind := fact.kind;
    id := fact.id;
    at := fact.at;
    version := fact.data ->> 'version';
    data := fact.data;
    meta := fact.meta;
    epoch := newest.epoch;
    if fact.position <= newest.after_position then
      select max(e.epoch) into epoch from epoch e where e.after_position < fact.position;
    end if;
    _bytes := _bytes - octet_length(data) - octet_length(meta);
    bytes_left := _bytes;
    return next;
    exit when _bytes <= 0;
  end loop;
end $$;

revoke execute on function log.page(bigint, bigint, int, bigint, text[], text[]) from public;
grant execute on function log.page(bigint, bigint, int, bigint, text[], text[]) to modelog_service;
