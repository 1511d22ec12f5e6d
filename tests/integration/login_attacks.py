"""What a thief of the services' login might try, as statements of SQL. Review ids C6 and M1."""

from __future__ import annotations

OWNER_OF_ALL = "modelog_owner_of_all"
"""Replaced by the name of the owner."""

ESCALATIONS = {
    "act as the owner": f'set role "{OWNER_OF_ALL}"',
    "log in as the owner": f'set session authorization "{OWNER_OF_ALL}"',
    "become a superuser": "do $$ begin execute format('alter role %I superuser', session_user); end $$",
    "become a member of the owner": f"""
        do $$ begin execute format('grant "{OWNER_OF_ALL}" to %I', session_user); end $$""",
    "take the owner's password": f"""alter role "{OWNER_OF_ALL}" password 'x'""",
    "make a role": "create role another login superuser",
    "change the server": "alter system set fsync = off",
    "make an extension": "create extension plpython3u",
    "make a language's function": "create function registry.evil() returns int language c as 'x', 'y'",
}

CODE = {
    "switch all triggers off": "alter table log.event disable trigger all",
    "switch a partition's triggers off": "alter table log.event_0 disable trigger all",
    "play a replica": "set session_replication_role = replica",
    "drop a trigger": "drop trigger refuse_change on log.event",
    "add a trigger": "create trigger x before insert on log.event for each row execute function log.refuse()",
    "add a rule": "create rule x as on insert to log.event do instead nothing",
    "replace a function": "create or replace function log.settled() returns bigint language sql as 'select 0::bigint'",
    "change a function's settings": "alter function log.settled() set search_path = registry",
    "make a function": "create function log.mine() returns int language sql as 'select 1'",
    "drop a function": "drop function log.settled()",
    "call what only triggers call": "select log.refuse()",
    "check facts by hand": "select log.fault_in_append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "make a table in the log": "create table log.mine ()",
    "drop the log": "drop table log.event",
    "drop a partition": "drop table log.event_0",
    "detach a partition": "alter table log.event detach partition log.event_0",
    "add a column": "alter table log.event add column x int",
    "drop the schema": "drop schema log cascade",
    "own the schema": "alter schema log owner to modelog_service",
    "change who may do what": "alter default privileges in schema log grant all on tables to modelog_service; "
    "grant all on all tables in schema log to modelog_service; update log.event set kind = 'x'",
}

ROWS = {
    **{f"{verb} {table}": statement.format(table)
       for table in ("log.event", "log.event_0", "log.event_10000000")
       for verb, statement in {
           "change facts in": "update {} set data = '{{}}'",
           "delete facts of": "delete from {}",
           "empty": "truncate {}",
           "write into": "insert into {} (stream, version, kind, id, data, meta) "
                         "values ('a', 9, 'model.promoted', gen_random_uuid(), '{{}}', '{{}}')",
       }.items()},
    "raise a head": "update log.stream set version = 9",
    "delete a head": "delete from log.stream",
    "make a head": "insert into log.stream values ('new', 1)",
    "empty the heads": "truncate log.stream",
    "lock the heads by hand": "select from log.stream for update",
    "lock the log": "lock table log.event in access exclusive mode",
    "move the counter": "select setval('log.position', 1000000)",
    "use up the counter": "select nextval('log.position')",
    "begin an epoch": "insert into log.epoch values (7, 0)",
    "change an epoch": "update log.epoch set after_position = 1",
    "make a kind": "insert into log.kind values ('model.sung')",
    "delete a kind": "delete from log.kind",
    "move the relay's cursor": "update log.cursor set position = 1000000",
    "make a cursor": "insert into log.cursor values ('another', 1)",
    "delete a cursor": "delete from log.cursor",
    "hold a topic": "insert into log.held_topic values ('model.promoted', 1000000)",
    "move a held topic": "update log.held_topic set position = 1000000",
    "release a held topic": "delete from log.held_topic",
    "delete what was parked": "delete from log.parked",
    "change what was parked": "update log.parked set reason = 'x'",
    "empty what was parked": "truncate log.parked",
    "delete what was sent again": "delete from log.parked_sent",
    "delete a schedule": "delete from log.schedule",
    "rename a schedule": "update log.schedule set name = 'x'",
    "delete snapshots": "delete from log.state_snapshot",
    "read the migrations": "select * from modelog.migration",
    "change the migrations": "update modelog.migration set sha256 = 'x'",
    "lead without the lock": "select log.move_cursor('relay', 1)",
    "lead another follower without the lock": "select log.move_cursor('deliveries', 1)",
    "hold a topic without the lock": "select log.hold_topics('{model.promoted}', '{0}')",
    "move a held topic without the lock": "select log.advance_topics('{model.promoted}', 0, 1)",
}  # fmt: skip

SERVER = {
    "run a program": "copy (select 1) to program 'true'",
    "read by a program": "copy registry.mine from program 'true'",
    "write a file": "copy (select 1) to '/tmp/modelog-attack'",
    "read a file": "select pg_read_file('/etc/passwd')",
    "list a folder": "select pg_ls_dir('/')",
    "import a file": "select lo_import('/etc/passwd')",
    "reload the settings": "select pg_reload_conf()",
    "rotate the log": "select pg_rotate_logfile()",
    "make a temporary table": "create temporary table mine ()",
    "make a table in public": "create table public.mine ()",
    "make a schema": "create schema mine",
    "make a database": "create database mine",
    "drop the database": "do $$ begin execute format('drop database %I', current_database()); end $$",
    "read passwords": "select * from pg_authid",
    "end the owner's session": """
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and usesysid <> (select oid from pg_roles where rolname = session_user)
           and pid <> pg_backend_pid()""",
}

ATTACKS = ESCALATIONS | CODE | ROWS | SERVER
