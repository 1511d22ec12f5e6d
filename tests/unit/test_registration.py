from dataclasses import replace
from typing import Any

import pytest
from modelog.events import ModelRegistered, RegistrationRefused
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


def test_a_run_that_comes_back_with_other_metrics_is_refused() -> None:
    first = registered(1, "run-1", metrics={"auc": float("nan"), "f1": 0.9})
    story = given(registration, [first]).when(register("run-1", metrics={"auc": 0.91, "f1": 0.9}))
    story.then_refused("run registered with other metrics", sentence="run run-1 is version 1 of fraud, registered with")
    story.then_refused("run registered with other metrics", sentence="report it as a new run")


def test_a_run_that_comes_back_with_other_parameters_or_answers_is_refused_with_every_reason() -> None:
    first = registered(1, "run-1", parameters={"depth": 3})
    story = given(registration, [first]).when(register("run-1", parameters={"depth": 4}, answers=RETRAINING))
    story.then_refused("run registered with other parameters", "run answers another retraining")
    (refusal,) = story.facts
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.answers == RETRAINING


SENT: dict[str, Any] = {
    "a": 1e300,
    "b": 1e23,
    "c": -0.0,
    "d": [1.0, {"e": 2}],
    "f": True,
    "g": None,
    "h": 0.1,
    "i": 1e-7,
}
STORED: dict[str, Any] = {
    "i": 1e-07,
    "h": 0.1,
    "g": None,
    "f": True,
    "d": [1, {"e": 2.0}],
    "c": 0,
    "b": 10**23,
    "a": 10**300,
}


def test_the_same_run_with_numbers_as_the_log_gives_them_back_changes_nothing() -> None:
    metrics = {"auc": float("nan"), "loss": float("inf"), "f1": 1}
    stored = registered(1, "run-1", metrics=metrics, parameters=STORED)
    again = ModelRegistered.model_validate_json(stored.model_dump_json())
    command = register("run-1", metrics=metrics)
    command = replace(command, trained=command.trained.model_copy(update={"parameters": SENT}))
    story = given(registration, [again]).when(command)
    story.then_nothing()


@pytest.mark.parametrize("other", [{"seed": 2**53 + 1}, {"seed": True}, {"seed": "1"}, {"seed": None}, {}])
def test_parameters_that_differ_a_little_differ(other: dict[str, Any]) -> None:
    for seed in (1, 2**53):
        story = given(registration, [registered(1, "run-1", parameters={"seed": seed})])
        story.when(register("run-1", parameters=other)).then_refused("run registered with other parameters")


def test_a_run_that_was_registered_before_its_fields_existed_changes_nothing() -> None:
    old = registered(1, "run-1", metrics={}).model_dump(mode="json")
    for name in ("metrics", "parameters", "answers", "tags"):
        del old[name]
    story = given(registration, [ModelRegistered.model_validate(old)])
    story.when(register("run-1", metrics={})).then_nothing()


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
