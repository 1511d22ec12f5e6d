"""The directions of the libraries' own names, and what has none."""

import pytest
from modelog.metric_directions import GROUPS, UNKNOWN
from modelog.metric_names import SHIPPED, MetricNames, joined, listed, spelled

from tests import library_metrics

NAMES = MetricNames({})
OLD_HIGHER = """accuracy balanced_accuracy precision recall sensitivity specificity f1 fbeta auc roc_auc pr_auc
    average_precision map ndcg mrr hit_rate r2 explained_variance kappa mcc jaccard iou dice bleu rouge meteor
    exact_match silhouette gini"""
OLD_LOWER = """loss log_loss cross_entropy brier mae mse rmse msle rmsle mape smape medae max_error deviance hinge
    perplexity wer cer fid error error_rate ece latency latency_ms"""


def directions(text: str) -> dict[str, str | None]:
    return {name: known.direction if (known := NAMES.find(name)) else None for name in text.split()}


@pytest.mark.parametrize("library", library_metrics.HIGHER)
def test_a_higher_value_is_better_where_the_library_says_so(library: str) -> None:
    text = library_metrics.HIGHER[library]
    assert directions(text) == dict.fromkeys(text.split(), "higher")


@pytest.mark.parametrize("library", library_metrics.LOWER)
def test_a_lower_value_is_better_where_the_library_says_so(library: str) -> None:
    text = library_metrics.LOWER[library]
    assert directions(text) == dict.fromkeys(text.split(), "lower")


@pytest.mark.parametrize("reason", library_metrics.UNKNOWN)
def test_a_name_that_could_mean_something_else_has_no_direction(reason: str) -> None:
    text = library_metrics.UNKNOWN[reason]
    assert directions(text) == dict.fromkeys(text.split())


def test_the_names_that_the_first_policies_listed_keep_their_directions() -> None:
    assert set(directions(OLD_HIGHER).values()) == {"higher"}
    assert set(directions(OLD_LOWER).values()) == {"lower"}


def test_no_name_is_listed_twice_and_each_is_spelled_plainly() -> None:
    texts = [text for group in GROUPS for text in (group.higher, group.lower)] + list(UNKNOWN)
    names = [name for text in texts for metric in listed(text) for name in metric]
    assert sorted(map(joined, names)) == sorted(SHIPPED)
    assert [name for name in names if spelled(name) != name] == []


@pytest.mark.long
def test_every_scorer_of_the_installed_scikit_learn_has_a_direction() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    names = " ".join(metrics.get_scorer_names())
    assert directions(names) == dict.fromkeys(names.split(), "higher")
