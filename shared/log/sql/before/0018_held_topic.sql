-- Kinds of facts whose topic did not take them, or was made again and is empty. The topic has the facts of its kind up
-- to `position`. The relay goes on with the other topics; it sends these facts when the topic takes them, and deletes
-- the row when the topic has come to the relay's own cursor.
create table log.held_topic (
  kind     text collate "C" primary key,
  position bigint not null
);

grant select, insert, update, delete on log.held_topic to modelog_service;
