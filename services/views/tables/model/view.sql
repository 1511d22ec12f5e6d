-- Every model that has a fact. `latest` is null while no run of it is registered; `serving` is the version in the
-- champion's stage, null where there is none.
select model,
       latest,
       (stages -> {champion_stage} ->> 'version')::int as serving,
       (stages -> {champion_stage} ->> 'since')::timestamptz as serving_since,
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
