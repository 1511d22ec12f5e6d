from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from modelog.envelope import Message
from modelog.events import Event

from shared.domain.command import Cause
from tests.examples import registered, trained


def message(event: Event, correlation: str | None = "begin") -> Message[Event]:
    return Message(event, "id-7", "/ci", correlation=correlation, traceparent="00-ab-cd-01", actor="user-3")


def test_the_cause_of_a_report_carries_its_envelope_and_who_sent_it() -> None:
    id = uuid5(NAMESPACE_URL, "/ci#id-7")
    sent = message(trained())
    expected = Cause(id, "id-7", "/ci", "begin", "user-3", "00-ab-cd-01", "model.trained", sent.digest)
    assert Cause.of(sent) == expected


def test_what_follows_from_a_fact_has_no_actor_and_no_content_that_could_differ() -> None:
    cause = Cause.of(message(registered()))
    assert (cause.actor, cause.digest) == (None, None)


def test_a_cause_conflicts_with_another_content_where_both_are_known() -> None:
    report = Cause.of(message(trained()))
    assert report.conflicts_with(message(trained("other")).digest)
    assert not report.conflicts_with(message(trained()).digest)
    assert not report.conflicts_with(None)
    assert not Cause.of(message(registered())).conflicts_with(report.digest)


def test_content_that_an_older_version_answered_is_no_conflict() -> None:
    report = message(trained(trained_at="2026-03-03T14:00:00+02:00"))
    assert report.earlier_digest not in (None, report.digest)
    for answered in (report.digest, report.earlier_digest):
        assert not Cause.of(report).conflicts_with(answered)
    assert Cause.of(report).conflicts_with(message(trained("other")).digest)


def test_a_conflict_has_a_cause_of_its_own_for_each_content() -> None:
    causes = [Cause.of(message(trained(run))) for run in ("a", "b")]
    assert len({cause.id for cause in causes} | {cause.conflict.id for cause in causes}) == 3
    assert causes[0].conflict == replace(causes[0], id=uuid5(causes[0].id, message(trained("a")).digest))


def test_a_message_without_a_correlation_begins_the_chain() -> None:
    assert Cause.of(message(trained(), correlation=None)).correlation == "id-7"


def test_a_command_of_a_schedule_is_named_by_the_schedule_its_time_and_its_number() -> None:
    due = datetime(2026, 3, 3, 12, tzinfo=UTC)
    run = "retirement.retire_old@2026-03-03T12:00:00+00:00"
    for number in (0, 1):
        id = uuid5(NAMESPACE_URL, f"/modelog/schedule#{run}/{number}")
        expected = Cause(id, f"{run}/{number}", "/modelog/schedule", run)
        assert Cause.tick("retirement.retire_old", due, number) == expected
    assert Cause.tick("retirement.retire_old", due) == Cause.tick("retirement.retire_old", due, 0)
