"""An error that may pass when the call is repeated is known by its class, and by nothing else."""

import pytest
from modelog import NotConnected, NotPublished, TransientError
from modelog.store import Absent, Damaged, Unavailable


@pytest.mark.parametrize("error", [NotConnected, NotPublished, Unavailable])
def test_an_outage_is_a_transient_error_and_no_error_of_the_operating_system(error: type[Exception]) -> None:
    assert issubclass(error, TransientError)
    assert not issubclass(error, OSError)


@pytest.mark.parametrize("error", [Absent, Damaged])
def test_what_stays_as_it_is_when_it_is_tried_again_is_not_transient(error: type[Exception]) -> None:
    assert not issubclass(error, TransientError)
