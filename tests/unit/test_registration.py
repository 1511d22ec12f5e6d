from typing import Any

from modelog.events import RegistrationRefused
from modelog.values import Artifact, File

from services.ingestion.decision import Refuse, Register, registration
from tests.examples import RETRAINING, digest, refused_registration, registered, trained, uri
from tests.spec import given

FILES = (File(path="model.pkl", size=3, sha256="a" * 64),)


def register(run: str, version: int = 1, **other: Any) -> Register:
    """The run's bytes are pinned, and they are those of this version in the examples."""
    return Register(
        trained(run, artifact=Artifact(files=FILES), **other), digest(version), uri(version), 3, "pickle", ()
    )


def test_the_first_run_of_a_model_is_version_1() -> None:
    given(registration).when(register("run-1")).then(registered(1, "run-1"))


def test_the_next_run_is_the_next_version() -> None:
    given(registration, [registered(1), registered(2)]).when(register("new", version=3)).then(registered(3, "new"))


def test_a_version_keeps_all_that_is_known_of_its_run() -> None:
    known: dict[str, Any] = {
        "parameters": {"depth": 3},
        "author": "ada",
        "answers": RETRAINING,
        "tags": {"team": "risk"},
    }
    given(registration).when(register("run-1", **known)).then(registered(1, "run-1", **known))


def test_the_same_run_again_changes_nothing() -> None:
    given(registration, [registered(1, "run-1")]).when(register("run-1")).then_nothing()


def test_the_same_bytes_of_another_run_are_another_version() -> None:
    same = registered(2, "other", manifest=digest(1), uri=uri(1))
    given(registration, [registered(1, "run-1")]).when(register("other", version=1)).then(same)


def test_a_run_that_comes_back_with_other_bytes_is_refused() -> None:
    story = given(registration, [registered(1, "run-1")]).when(register("run-1", version=9))
    story.then_refused("run registered with other bytes")


def test_a_run_whose_bytes_cannot_be_pinned_is_refused_with_every_reason() -> None:
    refuse = Refuse(trained("run-1"), ("missing object",), "the store has no blob aaa")
    given(registration).when(refuse).then(refused_registration("run-1", "missing object", "the store has no blob aaa"))


def test_a_refusal_names_the_request_for_retraining_that_the_run_answered() -> None:
    story = given(registration, [registered(1, "run-1")]).when(register("run-1", version=9, answers=RETRAINING))
    (refusal,) = story.facts
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.answers == RETRAINING


def test_a_refused_run_uses_up_no_number() -> None:
    refusal = refused_registration("run-1", "no files", "no files")
    given(registration, [refusal]).when(register("run-1")).then(registered(1, "run-1"))
