-- A snapshot counts as far as its MAC is right: whoever can write the row does not have the key. Null in the rows of
-- earlier versions, which nobody reads any more.
set local lock_timeout = '2s';
alter table log.state_snapshot add column mac bytea;
