-- The log only grows. Row triggers are inherited by every partition, so naming a partition is no way around them;
-- TRUNCATE knows statement triggers only, which log.extend puts on each partition.
create or replace function log.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the log only grows: % of % is refused; append a fact that corrects it', tg_op, tg_table_name
    using errcode = 'LOG02';
end $$;

-- Nobody calls it by name: a trigger needs no grant.
revoke execute on function log.refuse() from public;
