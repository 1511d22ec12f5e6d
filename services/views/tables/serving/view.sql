-- Which version serves each stage of each model; null where the version that served it has left.
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
