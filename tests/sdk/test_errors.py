"""An error that may pass when the call is repeated is known by its class; what strangers named is escaped in all."""

from pathlib import Path

import pytest
from modelog import AccessDenied, MissingTopic, NotConnected, NotPublished, TransientError, Unreadable
from modelog.store import Absent, Damaged, Denied, Store, Unavailable


@pytest.mark.parametrize("error", [MissingTopic, NotConnected, NotPublished, Unavailable])
def test_an_outage_is_a_transient_error_and_no_error_of_the_operating_system(error: type[Exception]) -> None:
    assert issubclass(error, TransientError)
    assert not issubclass(error, OSError)


@pytest.mark.parametrize("error", [AccessDenied, Absent, Damaged, Denied])
def test_what_stays_as_it_is_when_it_is_tried_again_is_not_transient(error: type[Exception]) -> None:
    assert not issubclass(error, TransientError)


@pytest.mark.parametrize("error", [Absent, Damaged, Denied, Unavailable, Unreadable])
def test_what_a_terminal_would_act_on_is_escaped_in_a_sentence(error: type[Exception]) -> None:
    assert str(error("expected größe, found \x1b[2J\n\u202e")) == "expected größe, found \\x1b[2J\\n\\u202e"


def test_the_name_of_a_file_is_escaped_in_the_error_of_an_upload(tmp_path: Path) -> None:
    store, name = Store("http://127.0.0.1:1", "key", "secret", "bucket"), "\u202egnp.pt"
    with pytest.raises(ValueError, match=r"expected a file at .*\\u202egnp\.pt, found none") as raised:
        store.upload({"model.pt": tmp_path / name})
    assert str(raised.value).isprintable()
    (tmp_path / name).symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match=r"found .*\\u202egnp\.pt, which links elsewhere"):
        store.upload(tmp_path)
