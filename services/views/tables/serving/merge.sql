-- The last promotion says all there is to say of a slot.
insert into {table}
select * from fold
on conflict (model, stage) do update
   set version  = excluded.version,
       previous = excluded.previous,
       since    = excluded.since,
       by       = excluded.by,
       reason   = excluded.reason,
       manifest = excluded.manifest,
       uri      = excluded.uri,
       position = excluded.position
