-- What services act as: it reads the log, appends by log.append, and owns the views. Roles belong to the whole cluster,
-- so another database may have made it already.
do $$ begin
  create role modelog_service nologin;
exception when duplicate_object or unique_violation then null;
end $$;

create schema registry;
grant usage on schema log to modelog_service;
grant select on log.event, log.stream to modelog_service;
grant select, insert, update on log.cursor to modelog_service;
grant usage, create on schema registry to modelog_service;
revoke execute on all functions in schema log from public;
grant execute on function log.settled, log.append, log.extend to modelog_service;
grant select on sequence log.position to modelog_service;
do $$ begin execute format('grant modelog_service to %I', current_user); end $$;
