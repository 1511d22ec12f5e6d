-- Counts are added; of everything else the later value is kept. An emptied slot has a time and no version.
insert into {table} as known
select * from fold
on conflict (model) do update
   set latest        = greatest(excluded.latest, known.latest),
       stages        = known.stages || excluded.stages,
       versions      = excluded.versions + known.versions,
       validated     = excluded.validated + known.validated,
       rejected      = excluded.rejected + known.rejected,
       promotions    = excluded.promotions + known.promotions,
       retired       = excluded.retired + known.retired,
       drifts        = excluded.drifts + known.drifts,
       retrainings   = excluded.retrainings + known.retrainings,
       refusals      = excluded.refusals + known.refusals,
       first_at      = least(excluded.first_at, known.first_at),
       changed_at    = excluded.changed_at,
       changed       = excluded.changed,
       position      = excluded.position
