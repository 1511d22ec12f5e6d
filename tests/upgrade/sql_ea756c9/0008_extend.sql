-- Make partitions of 10 million positions until two of them lie beyond the counter. Each is filled out before it is
-- attached, because ATTACH lets appends and readers go on where CREATE … PARTITION OF would wait for them all.
create function log.extend() returns int
language plpgsql security definer set search_path = log, pg_temp as $$
declare
  _size  constant bigint := 10000000;
  _ahead constant int := 2;
  made  int := 0;
  lower bigint;
  name  text;
begin
  perform pg_advisory_xact_lock(hashtext('log.extend'));
  loop
    select coalesce(max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''(\d+)''\)'))[1]::bigint), 0)
      into lower
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'log.event'::regclass;
    exit when lower >= coalesce(pg_sequence_last_value('log.position'), 0) + _size * _ahead;
    name := 'event_' || lower;
    execute format('create table log.%I (like log.event including defaults including constraints including indexes)', name);
    execute format('alter table log.%I add check (position >= %s and position < %s)', name, lower, lower + _size);
    execute format('alter table log.event attach partition log.%I for values from (%s) to (%s)', name, lower, lower + _size);
    execute format('create trigger refuse_truncate before truncate on log.%I for each statement execute function log.refuse()', name);
    execute format('create trigger hold before insert on log.%I for each statement execute function log.hold()', name);
    made := made + 1;
  end loop;
  return made;
end $$;

select log.extend();
