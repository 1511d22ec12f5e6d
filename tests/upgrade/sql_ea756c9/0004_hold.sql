-- The horizon lock. A position is drawn before its transaction commits, so a reader that keeps "the last position seen"
-- would lose facts for ever. Whoever inserts therefore holds, until it commits, a shared advisory lock whose key says
-- "I may still bring positions above this one". A statement trigger runs before the first number is drawn; log.extend
-- puts it on each partition too, so that naming one is no way around it. 24301 tells our keys from others'; positions
-- have 48 bits.
create function log.hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared((24301::bigint << 48) | coalesce(pg_sequence_last_value('log.position'), 0));
  return null;
end $$;

create trigger hold before insert on log.event for each statement execute function log.hold();
