-- What the facts in ($1, $2] change of each model.
-- The last of several facts is the one with the greatest position. Models are few, so the fact itself is fetched by that
-- position: aggregating whole facts took half as long again.
with counted as (
  select stream as model,
         max((data ->> 'version')::int) filter (where kind = 'model.registered') as latest,
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
), slot as (
  -- A promotion fills the slot of its stage, and empties the slot that the version leaves.
  select stream as model, slot.stage, max(position) as position
    from log.event
   cross join lateral (values (data ->> 'stage'), (data ->> 'leaves')) as slot (stage)
   where position > $1
     and position <= $2
     and kind = 'model.promoted'
     and slot.stage not in ('development', 'archived')
   group by stream, slot.stage
), serving as (
  select slot.model,
         jsonb_object_agg(slot.stage, jsonb_build_object(
           'version', case when data ->> 'stage' = slot.stage then (data ->> 'version')::int end,
           'since', at)) as stages
    from slot
    join log.event using (position)
   group by slot.model
)
select model,
       latest,
       coalesce(stages, '{}') as stages,
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
       counted.position
  from counted
  join log.event as last using (position)
  left join serving using (model)
