-- The epochs of the log. A failover or a restore that loses facts gives their positions out again, so a position alone
-- does not name a fact: (epoch, position) does. A fact belongs to the last epoch that begins below its position.
-- `operations restored` adds a row.
create table log.epoch (
  epoch          int primary key,
  after_position bigint not null,
  at             timestamptz not null default clock_timestamp()
);
insert into log.epoch (epoch, after_position) values (1, 0);

grant select on log.epoch to modelog_service;
