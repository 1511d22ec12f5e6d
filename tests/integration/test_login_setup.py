"""Setup makes the logins of services and readers, by an owner who need not be a superuser."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from operations.logins import LoginRefused, check_logins, logins, set_up_logins
from operations.scram import prepared, verifier
from services.views.engine.rebuild import rebuild
from shared.log import Log
from shared.log.migrations import migrate
from shared.runtime.postgres import connect
from shared.runtime.settings import Settings
from stack import Addresses
from stack.postgres import Postgres
from tests.appends import numbered

PASSWORDS = {
    "letters": "hush",
    "signs": r"""a b'c"d\e%f&g?h#i/j@k:l$m$n;--""",
    "accents": "pässwörd",
    "an accent apart": "a\u0308",
    "a compatibility character": "\u2168 and \uff41",
    "another space": "a\u00a0b",
    "mapped to nothing": "\u00ad",
    "partly mapped to nothing": "a\u00adb",
    "right to left": "\u0627\u0628",
    "both directions": "\u0627 and a",
    "a control character": "é\u0007",
    "unassigned": "é\U000e0001",
    "an emoji": "é🔑",
    "long": "x" * 900,
}


@pytest.fixture
async def superuser(stack: Addresses) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.owner)
    yield connection
    await connection.close()


@pytest.fixture
async def role(superuser: asyncpg.Connection) -> AsyncIterator[str]:
    """The name of a role of the test's own, which is removed."""
    name = f"of a test {secrets.token_hex(4)}"
    yield name
    await superuser.execute(f'drop role if exists "{name}"')


def as_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{quote(user)}:{quote(password, safe='')}@{parts.hostname}:{parts.port}").geturl()


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
async def test_a_user_logs_in_with_the_password_of_a_verifier(
    stack: Addresses, superuser: asyncpg.Connection, role: str, password: str
) -> None:
    await superuser.execute(f"""create role "{role}" login password '{verifier(password)}'""")
    connection = await asyncpg.connect(stack.owner, user=role, password=password)
    assert await connection.fetchval("select session_user") == role
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.owner, user=role, password=password + "x")


def test_equal_passwords_are_prepared_equally() -> None:
    assert prepared("a\u0308") == prepared("ä") == "ä"
    assert prepared("\u2168") == "IX"


def settings_of(stack: Addresses, **other: str) -> Settings:
    env = stack.env | other
    return Settings.model_validate({key.removeprefix("MODELOG_").lower(): value for key, value in env.items()})


REFUSED = {
    "superuser": "is a superuser",
    "createrole": "may make roles",
    "replication": "may replicate the whole server",
    "nologin": "cannot log in",
    'in role "{owner}"': "owns the log or the database",
    "in role pg_write_all_data": "may change log.event",
    "in role pg_execute_server_program": "may write all tables, or files",
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED.items(), ids=REFUSED.values())
async def test_a_login_of_the_services_that_may_do_too_much_is_refused(
    stack: Addresses, database: str, superuser: asyncpg.Connection, role: str, options: str, sentence: str
) -> None:
    user = await superuser.fetchval("select session_user")
    login = "" if "login" in options else "login"
    await superuser.execute(f'create role "{role}" {login} {options.format(owner=user)}')
    owner = await asyncpg.connect(database)
    try:
        settings = settings_of(stack, MODELOG_POSTGRES_URL=as_user(database, role, "x"))
        with pytest.raises(LoginRefused, match=f"MODELOG_POSTGRES_URL names the user {role}, who {sentence}"):
            await check_logins(owner, settings)
    finally:
        await owner.close()


async def test_the_services_login_cannot_be_the_readers(stack: Addresses, database: str) -> None:
    owner = await asyncpg.connect(database)
    try:
        with pytest.raises(LoginRefused, match=r"READER_URL names the user .*, who may do what services do"):
            await check_logins(owner, settings_of(stack, MODELOG_POSTGRES_READER_URL=stack.postgres))
    finally:
        await owner.close()


def test_a_url_without_a_user_is_a_sentence(stack: Addresses) -> None:
    with pytest.raises(LoginRefused, match="MODELOG_POSTGRES_URL names no user: write postgresql://user@host"):
        logins(settings_of(stack, MODELOG_POSTGRES_URL="postgresql://127.0.0.1/modelog"))


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of its own, whose roles nobody has made yet."""
    server = Postgres(Path(tmp_path_factory.mktemp("managed")), erase=True)
    server.start()
    yield server
    server.stop()


SHARED_ROLES = """
do $$ begin create role modelog_service; exception when duplicate_object then null; end $$;
do $$ begin create role modelog_reader; exception when duplicate_object then null; end $$;
grant modelog_service, modelog_reader to {owner} with admin option
"""
"""What a superuser does for a further registry: roles belong to the whole server."""


async def new_registry(managed: Postgres, name: str, grants: str = "") -> dict[str, Any]:
    """A database, and its owner, who may make roles and is no superuser; the settings of its registry."""
    superuser = await asyncpg.connect(managed.owner_url)
    await superuser.execute(f"create role {name}_owner login createrole password 'x'")
    await superuser.execute(f"create database {name} owner {name}_owner")
    await superuser.execute(grants.format(owner=f"{name}_owner") or "select 1")
    await superuser.close()
    url = urlsplit(managed.owner_url)._replace(path=f"/{name}").geturl()
    users = {"URL": f"{name}_app", "OWNER_URL": f"{name}_owner", "READER_URL": f"{name}_ask"}
    return {f"MODELOG_POSTGRES_{variable}": as_user(url, user, "x") for variable, user in users.items()}


async def set_up(settings: Settings) -> list[str]:
    owner = await asyncpg.connect(**settings.postgres_owner)
    try:
        found = await check_logins(owner, settings)
        await migrate(owner)
        return await set_up_logins(owner, found)
    finally:
        await owner.close()


async def test_an_owner_without_superuser_makes_all_that_services_and_readers_need(
    stack: Addresses, managed: Postgres
) -> None:
    settings = settings_of(stack, **await new_registry(managed, "first"))
    assert len(await set_up(settings)) == 2
    assert await set_up(settings) == []
    async with await connect(**settings.postgres, role=settings.postgres_role) as pool:
        assert await Log(pool).append([numbered("a", 0, 1)])
        assert await pool.fetchval("select last from log.horizon()") == 1
        assert await pool.fetchval("select log.extend()") >= 0
        await rebuild(pool)
    login = settings.postgres_reader
    assert login
    reader = await asyncpg.connect(**login)
    assert await reader.fetchval("select count(*) from log.event") == 1
    await reader.fetch("select * from registry.model")
    await reader.close()


async def test_a_second_registry_on_the_server_is_set_up_by_its_own_owner(stack: Addresses, managed: Postgres) -> None:
    settings = settings_of(stack, **await new_registry(managed, "second", SHARED_ROLES))
    assert len(await set_up(settings)) == 2
    async with await connect(**settings.postgres, role=settings.postgres_role) as pool:
        assert await Log(pool).append([numbered("a", 0, 1)])
