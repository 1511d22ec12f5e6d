-- The facts by their cause: whether a message was answered is asked of the log. With the stream, because one cause can
-- have answers in many streams: a tick of a schedule, or an id that a sender uses again for another model.
-- ON ONLY: the index is not valid until every partition has its own, which migrations.py builds beside running appends.
-- Until then readers scan the stream. Appends wait while this lock is waited for, hence the limit: set up again then.
set local lock_timeout = '2s';
create index event_cause on only log.event (((meta ->> 'cause')::uuid), stream);
