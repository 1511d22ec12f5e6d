-- Of each column the later value is kept. What the registration brings is not merged: it is the first fact of a row.
insert into {table} as known
select * from fold
on conflict (model, version) do update
   set verdict        = coalesce(excluded.verdict, known.verdict),
       findings       = coalesce(excluded.findings, known.findings),
       compared_to    = coalesce(excluded.compared_to, known.compared_to),
       policy         = coalesce(excluded.policy, known.policy),
       judged_at      = coalesce(excluded.judged_at, known.judged_at),
       stage          = coalesce(excluded.stage, known.stage),
       promoted_at    = coalesce(excluded.promoted_at, known.promoted_at),
       promoted_by    = coalesce(excluded.promoted_by, known.promoted_by),
       replaced_at    = coalesce(excluded.replaced_at, known.replaced_at),
       drifts         = excluded.drifts + known.drifts,
       drift_at       = coalesce(excluded.drift_at, known.drift_at),
       drift_score    = coalesce(excluded.drift_score, known.drift_score),
       drifted        = coalesce(excluded.drifted, known.drifted),
       retired_at     = coalesce(excluded.retired_at, known.retired_at),
       retired_by     = coalesce(excluded.retired_by, known.retired_by),
       retired_reason = coalesce(excluded.retired_reason, known.retired_reason),
       refused_at     = coalesce(excluded.refused_at, known.refused_at),
       refusal        = coalesce(excluded.refusal, known.refusal),
       position       = excluded.position
