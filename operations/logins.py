"""Logins of Postgres: those of the services and of readers, made and checked by the owner of the database.

A login is a member of a role that `shared/log/sql` makes, and has nothing else. Roles belong to the whole cluster, and
so do logins: each registry should have logins of its own, by names of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from operations.scram import verifier
from shared.runtime.settings import Settings

SERVICE, READER = "modelog_service", "modelog_reader"
# To do more than the role may, without the role that the migrations made.
FAULT = """
select case
       when not rolcanlogin then 'cannot log in'
       when rolsuper then 'is a superuser'
       when rolcreaterole then 'may make roles'
       when rolreplication then 'may replicate the whole server'
       when exists (select from pg_database where datname = current_database() and pg_has_role($1, datdba, 'member'))
         or exists (select from pg_namespace
                     where nspname in ('log', 'modelog') and pg_has_role($1, nspowner, 'member'))
         then 'owns the log or the database, or may act as their owner'
       when exists (select from unnest('{insert,update,delete,truncate,references,trigger}'::text[]) privilege
                     where has_table_privilege($1, to_regclass('log.event'), privilege))
         then 'may change log.event'
       when exists (select from pg_roles program
                     where program.rolname in ('pg_execute_server_program', 'pg_read_server_files',
                                               'pg_write_server_files', 'pg_write_all_data')
                       and pg_has_role($1, program.oid, 'member'))
         then 'may write all tables, or files of the server'
       when $2 and pg_has_role($1, (select oid from pg_roles where rolname = 'modelog_service'), 'member')
         then 'may do what services do'
       end
  from pg_roles
 where rolname = $1
"""
IS_MEMBER = "select pg_has_role($1, $2, 'member')"
CREATE = "select format('create role %I login', $1::text)"
CREATE_WITH_PASSWORD = "select format('create role %I login password %L', $1::text, $2::text)"
GRANT = "select format('grant %I to %I', $1::text, $2::text)"
CONNECT = "select format('grant connect on database %I to %I', current_database(), $1::text)"
# For people, who forget an open transaction and write into the wrong window; no protection, they may set it otherwise.
CAREFUL = """
select format('alter role %1$I set default_transaction_read_only = on;
               alter role %1$I set idle_in_transaction_session_timeout = ''60s''', $1::text)
"""
ATTEMPTS, PAUSE_SECONDS = 10, 0.05
"""Where another database's setup changes the same roles."""


class LoginRefused(RuntimeError):
    """A login that a variable names cannot be used as that login, with the reason."""


@dataclass(frozen=True)
class Login:
    """A user of Postgres that `variable` names, to be a member of `role`."""

    variable: str
    role: str
    user: str
    address: Mapping[str, Any]

    @classmethod
    def of(cls, variable: str, role: str, address: Mapping[str, Any]) -> Login:
        """The login of an address that asyncpg takes."""
        url = urlsplit(address["dsn"])
        user = unquote(url.username or "") or parse_qs(url.query).get("user", [""])[0]
        if not user:
            raise LoginRefused(f"{variable} names no user: write postgresql://user@host:port/database")
        return cls(variable, role, user, address)

    @property
    def password(self) -> str | None:
        """Its password; None where it logs in by a certificate or by other means."""
        url = urlsplit(self.address["dsn"])
        found = self.address.get("password") or unquote(url.password or "")
        return found or parse_qs(url.query).get("password", [""])[0] or None


def logins(settings: Settings) -> list[Login]:
    """The login of the services, and that of readers if there is to be one."""
    found = [Login.of("MODELOG_POSTGRES_URL", SERVICE, settings.postgres)]
    if reader := settings.postgres_reader:
        found.append(Login.of("MODELOG_POSTGRES_READER_URL", READER, reader))
    return found


async def check_logins(owner: asyncpg.Connection, settings: Settings) -> list[Login]:
    """The logins to be set up; raise LoginRefused where one may do too much.

    Without the services', where they log in as the owner: as installations did before there were three logins.
    """
    user = await owner.fetchval("select session_user")
    found = [login for login in logins(settings) if login.role == READER or login.user != user]
    for login in found:
        if fault := await owner.fetchval(FAULT, login.user, login.role == READER):
            raise LoginRefused(
                f"{login.variable} names the user {login.user}, who {fault}: name a user who does not exist yet, "
                "and setup makes it"
            )
    return found


async def set_up_logins(owner: asyncpg.Connection, found: list[Login]) -> list[str]:
    """Make those that do not exist and give them their roles; a sentence for each that was made or has a new role."""
    done = [sentence for login in found if (sentence := await _set_up(owner, login))]
    if not any(login.role == SERVICE for login in found):
        user = await owner.fetchval("select session_user")
        done.append(
            f"the services log in as {user}, who can change the log: give them a login of their own "
            "(docs/operations.md, From one login to three)"
        )
    return done


async def _set_up(owner: asyncpg.Connection, login: Login) -> str | None:
    exists = await owner.fetchval("select exists (select from pg_roles where rolname = $1)", login.user)
    if exists and await owner.fetchval(IS_MEMBER, login.user, login.role):
        await _try(owner, await owner.fetchval(CONNECT, login.user))
        await _log_in(login)
        return None
    if not exists:
        password = login.password
        create = [CREATE, login.user] if password is None else [CREATE_WITH_PASSWORD, login.user, verifier(password)]
        await _try(owner, await owner.fetchval(*create))
        if login.role == READER:
            await _try(owner, await owner.fetchval(CAREFUL, login.user))
    await _try(owner, await owner.fetchval(GRANT, login.role, login.user))
    await _try(owner, await owner.fetchval(CONNECT, login.user))
    await _log_in(login)
    return f"{'gave' if exists else 'created'} the login {login.user} {'' if exists else 'with '}the role {login.role}"


async def _try(owner: asyncpg.Connection, statement: str) -> None:
    """Execute it; where it was done meanwhile, by the setup of another database, nothing is left to do."""
    for attempt in range(ATTEMPTS):
        try:
            with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                await owner.execute(statement)
            return
        except asyncpg.InternalServerError:  # "tuple concurrently updated"
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(PAUSE_SECONDS)


async def _log_in(login: Login) -> None:
    """Raise LoginRefused where it has another password."""
    try:
        connection = await asyncpg.connect(**login.address)
    except asyncpg.InvalidPasswordError as error:
        raise LoginRefused(
            f"Postgres has a user {login.user} with another password than {login.variable}: correct the variable, or "
            f"give the user this password, as a superuser or as who made it: \\password {login.user} in psql"
        ) from error
    await connection.close()
