-- What Postgres gives to everybody and no login of modelog uses: temporary tables, and tables in the schema public.
-- Only the owner of the database can take it away.
do $$ begin
  if (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
    execute format('revoke create, temporary on database %I from public', current_database());
    if to_regnamespace('public') is not null then
      revoke create on schema public from public;
    end if;
  end if;
end $$;
