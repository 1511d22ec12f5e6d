-- The log only grows. Row triggers are inherited by every partition, so naming a partition is no way around them;
-- TRUNCATE knows statement triggers only, which log.extend puts on each partition.
create function log.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the log only grows: % of % is refused; append a fact that corrects it', tg_op, tg_table_name
    using errcode = 'LOG02';
end $$;

create trigger refuse_change before update or delete on log.event for each row execute function log.refuse();
create trigger refuse_truncate before truncate on log.event for each statement execute function log.refuse();
create trigger refuse_delete before delete on log.stream for each row execute function log.refuse();
create trigger refuse_truncate before truncate on log.stream for each statement execute function log.refuse();
