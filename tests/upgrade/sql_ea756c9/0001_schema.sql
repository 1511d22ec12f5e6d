-- The log: two tables, one sequence, and what keeps them append-only.
create schema log;

-- Cache 1, or pg_sequence_last_value (which log.settled rests on) would run ahead of what was drawn.
create sequence log.position cache 1;
