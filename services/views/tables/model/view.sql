-- Every model that a fact speaks of. `latest` is null while none of its runs became a version.
select model,
       latest,
       serving,
       serving_since,
       versions,
       versions - validated - rejected as awaiting,
       validated,
       rejected,
       promotions,
       retired,
       drifts,
       retrainings,
       refusals,
       first_at,
       changed_at,
       changed,
       position
  from {table}
