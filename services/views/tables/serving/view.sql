-- Which version answers for each stage of each model; null where the one that did has left it.
select model,
       stage,
       version,
       previous,
       since,
       by,
       reason,
       manifest,
       uri,
       position
  from {table}
