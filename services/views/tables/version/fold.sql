-- What the facts in ($1, $2] change of each version.
-- A promotion changes two versions: the promoted and the replaced. A refusal that names an unknown version or stage
-- changes none, so the first fact of every row is model.registered. Dates that people wrote stay text: Postgres has a
-- smaller range of dates than Python, and a fold must not fail on a fact.
with fact as (
  select stream as model, (data ->> 'version')::int as version, kind, position, at, data
    from log.event
   where position > $1
     and position <= $2
     and kind in ('model.registered', 'model.validated', 'model.rejected', 'model.promoted', 'drift.recorded',
                  'model.retired', 'promotion.refused', 'retirement.refused')
     and (kind not in ('promotion.refused', 'retirement.refused')
          or not data -> 'reasons' ?| array['unknown version', 'unknown stage'])
   union all
  select stream, (data ->> 'replaces')::int, 'replaced', position, at, null
    from log.event
   where position > $1
     and position <= $2
     and kind = 'model.promoted'
     and data ->> 'replaces' is not null
), last as (
  -- In this order any value is the last value. All columns use the same order, so that the facts are sorted once, by
  -- parallel workers, and no version waits in memory for its next fact: a hash of ten million facts does not fit.
  select model,
         version,
         any_value(data order by position desc) filter (where kind = 'model.registered') as registered,
         any_value(at order by position desc) filter (where kind = 'model.registered') as registered_at,
         any_value(kind order by position desc) filter (where kind in ('model.validated', 'model.rejected')) as verdict,
         any_value(data order by position desc) filter (where kind in ('model.validated', 'model.rejected')) as judged,
         any_value(at order by position desc) filter (where kind in ('model.validated', 'model.rejected')) as judged_at,
         any_value(kind order by position desc) filter (where kind in ('model.promoted', 'replaced')) as moved,
         any_value(data order by position desc) filter (where kind = 'model.promoted') as promoted,
         any_value(at order by position desc) filter (where kind = 'model.promoted') as promoted_at,
         any_value(at order by position desc) filter (where kind = 'replaced') as replaced_at,
         any_value(data order by position desc) filter (where kind = 'drift.recorded') as drift,
         any_value(at order by position desc) filter (where kind = 'drift.recorded') as drift_at,
         any_value(data order by position desc) filter (where kind = 'model.retired') as retired,
         any_value(at order by position desc) filter (where kind = 'model.retired') as retired_at,
         any_value(data order by position desc) filter (where kind in ('promotion.refused', 'retirement.refused'))
           as refused,
         any_value(at order by position desc) filter (where kind in ('promotion.refused', 'retirement.refused'))
           as refused_at,
         count(*) filter (where kind = 'drift.recorded') as drifts,
         max(position) as position
    from fact
   group by model, version
)
select model,
       version,
       run.*,
       registered_at,
       split_part(verdict, '.', -1) as verdict,
       judged -> 'findings' as findings,
       (judged ->> 'compared_to')::int as compared_to,
       judged ->> 'policy' as policy,
       judged_at,
       case moved when 'replaced' then 'archived' else promoted ->> 'stage' end as stage,
       promoted_at,
       promoted ->> 'by' as promoted_by,
       replaced_at,
       drifts,
       drift_at,
       (drift ->> 'score')::float8 as drift_score,
       (drift ->> 'drifted')::bool as drifted,
       retired_at,
       retired ->> 'by' as retired_by,
       retired ->> 'reason' as retired_reason,
       refused_at,
       refused ->> 'sentence' as refusal,
       position
  from last
 cross join lateral jsonb_to_record(registered) as run (
         run text, manifest text, uri text, size bigint, format text, files jsonb, metrics jsonb, parameters jsonb,
         datasets jsonb, features jsonb, code jsonb, framework jsonb, dependencies jsonb, author text, trained_at text,
         description text, tags jsonb, experiment jsonb, answers uuid)
