-- Which version serves each stage after the facts in ($1, $2], if they say so: a promotion fills the slot of its stage
-- and empties the one that the version leaves. A row of the log begins with its position, so max(fact) is the last fact.
with last as (
  select stream as model, slot.stage, (max(array[fact]))[1] as fact
    from log.event as fact
   cross join lateral (values (data ->> 'stage'), (data ->> 'leaves')) as slot (stage)
   where position > $1
     and position <= $2
     and kind = 'model.promoted'
     and slot.stage not in ('development', 'archived')
   group by stream, slot.stage
)
select model,
       stage,
       case when filled then (fact.data ->> 'version')::int end as version,
       (fact.data ->> case when filled then 'replaces' else 'version' end)::int as previous,
       fact.at as since,
       fact.data ->> 'by' as by,
       fact.data ->> 'reason' as reason,
       case when filled then fact.data ->> 'manifest' end as manifest,
       case when filled then fact.data ->> 'uri' end as uri,
       fact.position
  from last
 cross join lateral (select (last.fact).*) as fact
 cross join lateral (select fact.data ->> 'stage' = stage as filled) as news
