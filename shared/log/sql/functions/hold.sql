-- The horizon lock. A position is drawn before its transaction commits, so a reader that keeps "the last position seen"
-- would lose facts for ever. A transaction that inserts therefore holds, until it commits, a shared advisory lock whose
-- key means "I may still insert positions above this". A statement trigger runs before the first number is drawn;
-- log.extend creates it on each partition too, so that an insert into a partition takes the lock as well. 24301 marks
-- these keys; positions have 48 bits.
create or replace function log.hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared((24301::bigint << 48) | coalesce(pg_sequence_last_value('log.position'), 0));
  return null;
end $$;

-- A trigger needs no grant, and nothing else calls it.
revoke execute on function log.hold() from public;
