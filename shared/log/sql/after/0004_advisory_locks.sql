-- Advisory locks decide which relay leads, and up to where the log is settled: who only reads must not take any. Postgres
-- lets everybody take them, and only a superuser can change that.
do $$
declare
  taking regprocedure;
begin
  if (select rolsuper from pg_roles where rolname = current_user) then
    for taking in
      select oid from pg_proc
       where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
    loop
      execute format('revoke execute on function %s from public', taking);
      execute format('grant execute on function %s to modelog_service', taking);
    end loop;
  end if;
end $$;
