-- The role that services act as: it reads the log, appends by log.append, and owns the views in the schema registry.
-- Roles belong to the whole cluster, so the setup of another database may create or grant it at the same time.
do $$ begin
  create role modelog_service nologin;
exception when duplicate_object or unique_violation then null;
end $$;

do $$ begin
  execute format('grant modelog_service to %I', current_user);
exception when unique_violation then null;
end $$;

create schema if not exists registry;
grant usage, create on schema registry to modelog_service;
