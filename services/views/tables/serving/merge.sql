-- A slot is what its last promotion made it.
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
