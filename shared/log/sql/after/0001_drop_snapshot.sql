-- Only processes of before log.state_snapshot read or write it.
drop table log.snapshot;
