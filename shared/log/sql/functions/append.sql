-- Append to many streams at once; each stream is accepted or refused on its own, by the version the writer expects.
-- _streams, _expected, _counts: an element for each stream, no stream twice. _stream … _meta: an element for each fact,
-- the facts of a stream in order of version. Returns the accepted streams with their new version and the position of
-- their last fact; a stream that is missing from the answer has moved. The same ids at the expected versions are a
-- repeat after a lost acknowledgement, and accepted. Whoever calls it, only facts of known kinds get in, each with its cause
-- and with the version that follows; log.fault_in_append says what is wrong.
create or replace function log.append(
  _streams text[], _expected int[], _counts int[],
  _stream text[], _version int[], _kind text[], _id uuid[], _data jsonb[], _meta jsonb[]
) returns table (stream text, version int, "position" bigint)
language plpgsql security definer set search_path = log, pg_temp as $$
#variable_conflict use_column
declare
  fault constant text := log.fault_in_append(_streams, _expected, _counts, _stream, _version, _kind, _id, _data, _meta);
  accepted text[];
  moved    text[];
begin
  if fault is not null then
    raise exception 'these facts are refused: %', fault using errcode = 'LOG03';
  end if;
  -- Heads are locked in order of name, new ones before old ones, so that two appends never wait for each other.
  if 0 = any (_expected) then
    with fresh as (
      insert into stream (stream, version)
      select u.stream, u.n from unnest(_streams, _expected, _counts) u (stream, expected, n)
       where u.expected = 0
       order by u.stream
      on conflict do nothing
      returning stream
    )
    select array_agg(stream) into accepted from fresh;
  end if;
  if 0 < any (_expected) then
    with here as materialized (
      select s.stream, u.n
        from unnest(_streams, _expected, _counts) u (stream, expected, n)
        join stream s on s.stream = u.stream and s.version = u.expected
       where u.expected > 0
       order by s.stream
         for update of s
    ), head as (
      update stream s set version = s.version + here.n from here where s.stream = here.stream returning s.stream
    )
    select array_agg(stream) into moved from head;
  end if;
  accepted := coalesce(accepted || moved, accepted, moved, '{}');

  if cardinality(accepted) > 0 then
    for attempt in 1..2 loop
      begin
        return query
          with appended as (
            insert into event (stream, version, kind, id, data, meta)
            select u.stream, u.version, u.kind, u.id, u.data, u.meta
              from unnest(_stream, _version, _kind, _id, _data, _meta)
                   with ordinality u (stream, version, kind, id, data, meta, n)
              join unnest(accepted) a (stream) on a.stream = u.stream
             order by u.n
            returning stream, version, position
          )
          select a.stream, max(a.version), max(a.position) from appended a group by a.stream;
        exit;
      exception when check_violation then
        -- No partition for these positions: the relay, which makes them ahead, has not run for long.
        if attempt = 2 then
          raise;
        end if;
        perform log.extend();
      end;
    end loop;
  end if;

  if cardinality(accepted) < cardinality(_streams) then
    return query
      select u.stream, max(e.version), max(e.position)
        from unnest(_stream, _version, _id) u (stream, version, id)
        left join event e on e.stream = u.stream and e.version = u.version and e.id = u.id
       where u.stream <> all (accepted)
       group by u.stream
      having count(*) = count(e.id);
  end if;
end $$;

revoke execute on function log.append(text[], int[], int[], text[], int[], text[], uuid[], jsonb[], jsonb[]) from public;
grant execute on function log.append(text[], int[], int[], text[], int[], text[], uuid[], jsonb[], jsonb[])
   to modelog_service;
