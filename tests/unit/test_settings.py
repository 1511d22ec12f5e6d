"""Settings: what cannot be used is a sentence, and no sentence has the password in it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.runtime.settings import Settings

OTHERS = {"kafka_servers": "k:9092", "s3_endpoint": "http://s3", "s3_access_key": "key", "s3_secret_key": "secret"}


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "http://u:S3cret@h/d",
        "postgresql://u:S3cret/x@h:5432/d",
        "postgresql://u:S3cret?x@h:5432/d",
        "postgresql://u:S3cret#x@h:5432/d",
        "postgresql://u:S3cret@x@h:5432/d",
        "postgresql://u:S3cret@[::1/d",
    ],
)
def test_an_address_of_postgres_that_cannot_be_read_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(ValidationError) as found:
        Settings.model_validate(OTHERS | {"postgres_url": url})
    (problem,) = found.value.errors(include_url=False)
    assert "expected postgresql://user:password@host:port/database" in problem["msg"]
    assert "S3cret" not in problem["msg"]
    assert "S3cret" not in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:S3%2Fcret@h:5432/d",
        "postgresql://u:p@h1:5432,h2:5433/d?target_session_attrs=primary",
        "postgres:///d?host=/run/postgresql&user=a@b",
        "postgresql://u:p@[::1]:5432/d",
    ],
)
def test_every_address_that_the_client_reads_is_accepted(url: str) -> None:
    assert Settings.model_validate(OTHERS | {"postgres_url": url}).postgres_url.get_secret_value() == url
