-- What the facts in ($1, $2] make of each model.
-- Of several facts the last has the greatest position. Models are few, so the fact itself is fetched afterwards: carried
-- along, whole facts took half as long again.
with told as (
  select stream as model,
         max((data ->> 'version')::int) filter (where kind = 'model.registered') as latest,
         max(position) filter (
           where kind = 'model.promoted' and 'production' in (data ->> 'stage', data ->> 'leaves')) as moved,
         count(*) filter (where kind = 'model.registered') as versions,
         count(*) filter (where kind = 'model.validated') as validated,
         count(*) filter (where kind = 'model.rejected') as rejected,
         count(*) filter (where kind = 'model.promoted') as promotions,
         count(*) filter (where kind = 'model.retired') as retired,
         count(*) filter (where kind = 'drift.recorded') as drifts,
         count(*) filter (where kind = 'retraining.requested') as retrainings,
         count(*) filter (
           where kind in ('registration.refused', 'promotion.refused', 'retraining.declined', 'retirement.refused')
         ) as refusals,
         min(at) as first_at,
         max(position) as position
    from log.event
   where position > $1
     and position <= $2
   group by stream
)
select model,
       latest,
       case moved.data ->> 'stage' when 'production' then (moved.data ->> 'version')::int end as serving,
       moved.at as serving_since,
       versions,
       validated,
       rejected,
       promotions,
       retired,
       drifts,
       retrainings,
       refusals,
       first_at,
       last.at as changed_at,
       last.kind as changed,
       told.position
  from told
  join log.event as last using (position)
  left join log.event as moved on moved.position = told.moved
