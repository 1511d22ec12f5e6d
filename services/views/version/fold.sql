-- Every version that the facts in ($1, $2] speak of, and what they make of it.
-- A row of the log begins with its position, so of several facts the greatest is the last. A promotion speaks of two
-- versions: the one it promotes and the one it replaces. A refusal that names an unknown version or stage speaks of
-- none, so the first fact of every row is model.registered. Dates that people wrote stay as they wrote them: Postgres
-- cannot hold all that Python can, and a fold must not fail on a fact.
with told as (
  select stream as model, (data ->> 'version')::int as version, kind, fact
    from log.event as fact
   where position > $1
     and position <= $2
     and kind in ('model.registered', 'model.validated', 'model.rejected', 'model.promoted', 'drift.recorded',
                  'model.retired', 'promotion.refused', 'retirement.refused')
     and (kind not in ('promotion.refused', 'retirement.refused')
          or not data -> 'reasons' ?| array['unknown version', 'unknown stage'])
   union all
  select stream, (data ->> 'replaces')::int, 'replaced', fact
    from log.event as fact
   where position > $1
     and position <= $2
     and kind = 'model.promoted'
     and data ->> 'replaces' is not null
), last as (
  select model,
         version,
         (max(array[fact]) filter (where kind = 'model.registered'))[1] as registered,
         (max(array[fact]) filter (where kind in ('model.validated', 'model.rejected')))[1] as judged,
         (max(array[fact]) filter (where kind = 'model.promoted'))[1] as promoted,
         (max(array[fact]) filter (where kind = 'replaced'))[1] as replaced,
         (max(array[fact]) filter (where kind = 'drift.recorded'))[1] as drift,
         (max(array[fact]) filter (where kind = 'model.retired'))[1] as retired,
         (max(array[fact]) filter (where kind in ('promotion.refused', 'retirement.refused')))[1] as refused,
         count(*) filter (where kind = 'drift.recorded') as drifts,
         max((fact).position) as position
    from told
   group by model, version
)
select model,
       version,
       run.*,
       (registered).at as registered_at,
       split_part((judged).kind, '.', 2) as verdict,
       (judged).data -> 'findings' as findings,
       ((judged).data ->> 'compared_to')::int as compared_to,
       (judged).data ->> 'policy' as policy,
       (judged).at as judged_at,
       case when coalesce((replaced).position, 0) > coalesce((promoted).position, 0) then 'archived'
            else (promoted).data ->> 'stage' end as stage,
       (promoted).at as promoted_at,
       (promoted).data ->> 'by' as promoted_by,
       (replaced).at as replaced_at,
       drifts,
       (drift).at as drift_at,
       ((drift).data ->> 'score')::float8 as drift_score,
       ((drift).data ->> 'drifted')::bool as drifted,
       (retired).at as retired_at,
       (retired).data ->> 'by' as retired_by,
       (retired).data ->> 'reason' as retired_reason,
       (refused).at as refused_at,
       (refused).data ->> 'sentence' as refusal,
       position
  from last
 cross join lateral jsonb_to_record((registered).data) as run (
         run text, manifest text, uri text, size bigint, format text, files jsonb, metrics jsonb, parameters jsonb,
         datasets jsonb, features jsonb, code jsonb, framework jsonb, dependencies jsonb, author text, trained_at text,
         description text, tags jsonb, experiment jsonb, answers uuid)
