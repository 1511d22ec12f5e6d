-- What the promotions in ($1, $2] change of each model's stages: a promotion fills the slot of its stage, and empties
-- the slot that the version leaves. Slots are few, so the last promotion is fetched by its position.
with last as (
  select stream as model, slot.stage, max(position) as position
    from log.event
   cross join lateral (values (data ->> 'stage'), (data ->> 'leaves')) as slot (stage)
   where position > $1
     and position <= $2
     and kind = 'model.promoted'
     and slot.stage not in ('development', 'archived')
   group by stream, slot.stage
), slot as (
  select model, stage, data, at, position, data ->> 'stage' = stage as filled
    from last
    join log.event using (position)
)
select model,
       stage,
       case when filled then (data ->> 'version')::int end as version,
       (data ->> case when filled then 'replaces' else 'version' end)::int as previous,
       at as since,
       data ->> 'by' as by,
       data ->> 'reason' as reason,
       case when filled then data ->> 'manifest' end as manifest,
       case when filled then data ->> 'uri' end as uri,
       position
  from slot
