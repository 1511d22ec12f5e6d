-- The role of people and tools that only read: the facts, and the views in the schema registry, also those that are
-- built later. Roles belong to the whole cluster, so the setup of another database may create it at the same time.
do $$ begin
  if not exists (select from pg_roles where rolname = 'modelog_reader') then
    create role modelog_reader nologin;
  end if;
exception when duplicate_object or unique_violation then null;
end $$;

grant usage on schema log, registry to modelog_reader;
grant select on log.event, log.stream, log.epoch to modelog_reader;
grant select on all tables in schema registry to modelog_reader;
alter default privileges for role modelog_service in schema registry grant select on tables to modelog_reader;
