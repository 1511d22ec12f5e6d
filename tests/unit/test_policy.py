from datetime import timedelta

import pytest
from modelog.policy import DEFAULT, Policy
from pydantic import ValidationError


@pytest.mark.parametrize(
    "metric",
    ["f1", "F1", "test/F1-score", "val_f1", "test_f1", "eval_f1", "valid_f1", "validation_f1", "cv_f1", "holdout_f1"],
)
def test_a_metric_is_known_by_its_name_whatever_is_written_around_it(metric: str) -> None:
    assert DEFAULT.direction(metric) == "higher"


@pytest.mark.parametrize("metric", ["log-loss", "log/loss", "log.loss", "log loss", "Log_Loss"])
def test_marks_and_case_in_a_name_do_not_matter(metric: str) -> None:
    assert DEFAULT.direction(metric) == "lower"


@pytest.mark.parametrize("metric", ["train_f1", "training_f1", "Train F1", "mystery", "f1_train", "score_f1", ""])
def test_a_metric_of_the_training_data_or_of_an_unknown_name_has_no_direction(metric: str) -> None:
    assert DEFAULT.direction(metric) is None


def test_a_direction_under_the_very_name_is_used_before_any_other() -> None:
    policy = Policy(directions={"train_F1": "lower", "my f1": "higher", "my_f1": "lower", "val_mae": "higher"})
    assert policy.direction("train_F1") == "lower"
    assert policy.direction("my f1") == "higher"
    assert policy.direction("My-F1") == "lower"
    assert policy.direction("val_mae") == "higher"
    assert policy.direction("Val-MAE") == "higher"


@pytest.mark.parametrize("name", ["train_f1", "training_f1"])
def test_a_metric_of_the_training_data_is_known_by_its_very_name_alone(name: str) -> None:
    policy = Policy(directions={name: "higher"})
    assert policy.direction(name) == "higher"
    assert policy.direction(f"{name}_score") is None


def test_own_directions_are_added_to_the_shipped_and_override_them() -> None:
    policy = Policy.model_validate_json('{"directions": {"uplift": "higher", "auc": "lower", "latency": null}}')
    directions = {name: policy.direction(f"val_{name}") for name in ("uplift", "auc", "latency", "f1", "mae")}
    assert directions == {"uplift": "higher", "auc": "lower", "latency": None, "f1": "higher", "mae": "lower"}


@pytest.mark.parametrize("direction", ["up", "", "None"])
def test_a_direction_is_higher_lower_or_null(direction: str) -> None:
    with pytest.raises(ValidationError, match=r"directions\.auc"):
        Policy.model_validate({"directions": {"auc": direction}})


def test_a_name_that_ends_in_score_is_known_with_and_without_it() -> None:
    policy = Policy(directions={"f1": "higher", "f1_score": "lower", "auc": "higher"})
    assert policy.direction("val_f1_score") == "lower"
    assert policy.direction("val_auc_score") == "higher"


@pytest.mark.parametrize("stage", ["development", "archived"])
def test_a_stage_may_not_be_called_as_where_versions_are_that_do_not_serve(stage: str) -> None:
    with pytest.raises(ValidationError, match=stage):
        Policy(stages=(stage, "production"))


@pytest.mark.parametrize("field", ["promote_to", "champion_stage"])
def test_a_policy_names_only_stages_that_it_has(field: str) -> None:
    with pytest.raises(ValidationError, match="staging, production, found moon"):
        Policy.model_validate({field: "moon"})


def test_a_policy_may_promote_to_no_stage() -> None:
    assert Policy(promote_to=None).promote_to is None


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="cooldown"):
        Policy.model_validate({"cooldown": 1})


@pytest.mark.parametrize("tolerance", [-0.01, float("nan"), float("inf")])
def test_a_tolerance_is_a_finite_share(tolerance: float) -> None:
    with pytest.raises(ValidationError, match="tolerance"):
        Policy(tolerance=tolerance)


def test_the_digest_names_the_policy_and_not_the_order_of_its_fields() -> None:
    a = Policy(directions={"f1": "higher", "mae": "lower"})
    b = Policy(directions={"mae": "lower", "f1": "higher"})
    assert a.digest == b.digest
    assert len({DEFAULT.digest, a.digest, Policy(cool_down=timedelta(minutes=1)).digest}) == 3


def test_the_default_policy_keeps_the_digest_that_facts_carry() -> None:
    assert DEFAULT.digest == "sha256:7e225023fda58457a0a0f5f11a2958f84c9b371b851b4c29a9dedd5d26932a58"
    assert DEFAULT.directions == {}, "the shipped directions are no part of the policy's JSON"
