-- The log only grows. Row triggers are inherited by every partition, so a statement that names a partition fires them;
-- TRUNCATE fires statement triggers only, which log.extend creates on each partition.
create or replace function log.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the log only grows: % of % is refused; append a fact that corrects it', tg_op, tg_table_name
    using errcode = 'LOG02';
end $$;

-- A trigger needs no grant, and nothing else calls it.
revoke execute on function log.refuse() from public;
