"""The three logins of Postgres in the addresses."""

from stack.addresses import Addresses

THREE = Addresses(
    "kafka:1",
    "postgresql://app:hush@p:5/d",
    "http://s3:3",
    postgres_owner="postgresql://owner:hush@p:5/d",
    postgres_reader="postgresql://ask:hush@p:5/d",
)


def test_the_owner_is_the_services_login_where_there_is_no_other() -> None:
    assert THREE.owner == "postgresql://owner:hush@p:5/d"
    assert Addresses("kafka:1", "postgresql://one@p/d", "http://s3:3").owner == "postgresql://one@p/d"


def test_each_login_is_in_the_environment_if_there_is_one() -> None:
    assert Addresses.from_env(THREE.env) == THREE
    assert THREE.env["MODELOG_POSTGRES_READER_URL"] == "postgresql://ask:hush@p:5/d"
    one = Addresses("kafka:1", "postgresql://one@p/d", "http://s3:3").env
    assert not {"MODELOG_POSTGRES_OWNER_URL", "MODELOG_POSTGRES_READER_URL"} & one.keys()


def test_no_password_of_any_login_is_shown() -> None:
    assert "hush" not in str(THREE.masked)
    assert "postgresql://ask:****@p:5/d" in str(THREE.masked)
