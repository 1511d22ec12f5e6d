-- What a decider has to know before it decides on some streams, by one snapshot of the database: which of its causes
-- each stream has answered already, and the facts after those that the decider knows. `what` is the type of a row:
--
--   answered  `cause` of _causes has an answer of _source in `stream`; `digest` is of the content that was answered
--   restart   the last fact that the decider knows of `stream` is not in the log: a failover or a restore lost it
--   snapshot  the stored state (`data`, `blocks`) at `version`, of a stream of which nothing is known, or no more;
--             `digest` is its MAC
--   fact      the next fact, with `data` if its kind is in _kinds
--   more      `stream` and those after it may have more: at about _max_bytes the answer ends
--
-- _streams, _versions, _positions, _ids: an element for each stream with the last fact that is known, version 0 if none.
-- STABLE: all queries see what the calling statement sees, so a cause that is missing has no answer in what was read.
create or replace function log.catch_up(
  _streams text[], _versions int[], _positions bigint[], _ids uuid[],
  _decider text, _fold text, _source text, _kinds text[], _max_bytes int,
  _cause_streams text[], _causes uuid[]
) returns table (
  what text, stream text, version int, "position" bigint, id uuid, kind text, cause uuid, digest text,
  data text, blocks bytea[]
)
language plpgsql stable
-- Planned once a session, and by the indexes, whatever the statistics are: each partition adds to the time of planning,
-- a plan for an empty log is still used when it is long, and a stream is read in the order of its index, or each page of
-- a long stream would sort the rest of it.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
as $$
#variable_conflict use_column
declare
  bytes_left bigint := _max_bytes;
begin
  -- Without the index of the causes, which may still be built, this scans the stream.
  return query
    select 'answered', a.stream, null::int, null::bigint, null::uuid, null, a.cause, e.digest, null, null::bytea[]
      from unnest(_cause_streams, _causes) a (stream, cause)
     cross join lateral (
           select meta ->> 'digest' as digest
             from log.event
            where (meta ->> 'cause')::uuid = a.cause and stream = a.stream and meta ->> 'source' = _source
            limit 1
           ) e;

  -- LATERAL: a look-up for each stream.
  for what, stream, version, "position", id, kind, cause, digest, data, blocks in
    select r.*
      from (
           select c.*, c.version > 0 and exists (
                  select from log.event e
                   where e.stream = c.stream and e.version = c.version and e.position = c.position and e.id = c.id
                  ) as is_known
             from unnest(_streams, _versions, _positions, _ids) c (stream, version, position, id)
            offset 0
           ) c
      left join lateral (
           select s.version, e.position, e.id, s.state, s.blocks, s.mac
             from log.state_snapshot s
             join log.event e on e.stream = s.stream and e.version = s.version
                             and e.position = (s.state ->> 'position')::bigint and e.id = (s.state ->> 'id')::uuid
            where s.stream = c.stream and s.decider = _decider and s.fold = _fold and not c.is_known
              -- As stored: a service keeps no larger history, so none has written it.
              and pg_column_size(s.blocks) < 67108864 and pg_column_size(s.state) < 67108864
             limit 1
           ) s on true
     cross join lateral (
           select 'restart', c.stream, null::int, null::bigint, null::uuid, null, null::uuid, null, null, null::bytea[]
            where c.version > 0 and not c.is_known
            union all
           select 'snapshot', c.stream, s.version, s.position, s.id, null, null, encode(s.mac, 'hex'), s.state::text, s.blocks
            where s.version is not null
            union all (
           select 'fact', c.stream, e.version, e.position, e.id, e.kind, null, null,
                  case when e.kind = any (_kinds) then e.data::text end, null
             from log.event e
            where e.stream = c.stream
              and e.version > case when c.is_known then c.version else coalesce(s.version, 0) end
            order by e.version
            )
           ) r
  loop
    return next;
    bytes_left := bytes_left - 100 - coalesce(octet_length(data), 0) - coalesce(pg_column_size(blocks), 0);
    if bytes_left <= 0 then
      what := 'more';
      return next;
      exit;
    end if;
  end loop;
end $$;

revoke execute on function log.catch_up(
  text[], int[], bigint[], uuid[], text, text, text, text[], int, text[], uuid[]) from public;
grant execute on function log.catch_up(
  text[], int[], bigint[], uuid[], text, text, text, text[], int, text[], uuid[]) to modelog_service;
