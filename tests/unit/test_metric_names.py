"""How the names of metrics are read: for their direction, and for what a policy requires."""

import pytest
from modelog.metric_names import SHIPPED, Direction, Known, MetricNames, meeting, shipped, spelled

NAMES = MetricNames({})
PLACES = """val valid validation test testing eval evaluation cv xval cross_val cross_validation dev holdout hold_out
    heldout held_out oof out_of_fold out_of_sample best final last mean avg average metric metrics"""
VARIANTS = """macro micro weighted samples binary multi multiclass multilabel multi_class multi_label categorical sparse
    normalized adjusted balanced overall total per_class retrieval top_k topk top5 top_10 ovr ovo"""
AFTER = "@10 _at_10 @0.5 @k _10 10 _pct _percent (%) :top=10 _ovr_macro"


def name_of(metric: str) -> str | None:
    return known.name if (known := NAMES.find(metric)) else None


@pytest.mark.parametrize(("name", "text"), [
    ("ValF1-Score", "val_f1_score"),
    ("Val/MeanSquaredError", "val_mean_squared_error"),
    ("KLDivergence", "kl_divergence"),
    ("  macro avg/f1-score ", "macro_avg_f1_score"),
    ("a.b:c,d(e)[f] - g__h", "a_b_c_d_e_f_g_h"),
    ("recall@0.5", "recall_at_0.5"),
    ("accuracy (%)", "accuracy_%"),
    ("NDCG:Top=10;type=Base", "ndcg_:top=10;type=base"),
    ("val TPR@FPR=0.01", "val_tpr_at_fpr=0.01"),
    ("validation:NDCG:top=10", "validation_ndcg_:top=10"),
    ("R²", "r2"),
    ("-auc", "minus_auc"),
    ("_", ""),
])  # fmt: skip
def test_a_name_is_spelled_in_words(name: str, text: str) -> None:
    assert spelled(name) == text


@pytest.mark.parametrize("word", PLACES.split())
def test_a_metric_is_known_without_the_words_that_say_where_it_was_measured(word: str) -> None:
    assert {name_of(f"{word}_auc"), name_of(f"auc_{word}"), name_of(f"{word}_auc_{word}")} == {"auc"}
    assert meeting("auc", [f"{word}_auc", f"auc_{word}_score"]) == sorted([f"{word}_auc", f"auc_{word}_score"])


@pytest.mark.parametrize("word", VARIANTS.split())
def test_a_variant_has_the_direction_of_its_metric_and_does_not_meet_its_requirement(word: str) -> None:
    assert {name_of(f"{word}_auc"), name_of(f"val_{word}_auc_mean")} == {"auc"}
    assert meeting("auc", [f"{word}_auc", f"auc_{word}"]) == []


@pytest.mark.parametrize(
    "after", ["@10", "_at_10", "@0.5", "@k", "_10", "10", "_pct", "_percent", " (%)", ":top=10", "_ovr_macro"]
)
def test_a_variant_may_follow_the_name(after: str) -> None:
    assert name_of(f"val_recall{after}") == "recall"
    assert meeting("recall", [f"recall{after}"]) == []


def test_every_shipped_name_leads_to_the_first_name_of_its_metric() -> None:
    read = dict(shipped())
    assert read == SHIPPED
    assert read["logloss"] == read["crossentropy"] == Known("log_loss", "lower")
    assert read["f1"] == Known("f1", "higher")
    assert read["avgerror"] == Known("mean_error", None)


def test_score_is_left_out_after_a_name_alone() -> None:
    assert name_of("val_auc_score_mean") == "auc"
    assert name_of("score_auc") is None


def test_the_longest_known_name_counts() -> None:
    assert name_of("val_average_precision") == "average_precision"
    assert name_of("mean_average_precision@10") == "map"
    assert name_of("average_precision_macro") == "average_precision"
    assert name_of("MeanSquaredError") == "mse"


def test_words_are_left_out_up_to_five_at_each_end() -> None:
    assert name_of("val_" * 5 + "auc" + "_mean" * 5) == "auc"
    assert name_of("val_" * 6 + "auc") is None
    assert name_of("auc" + "_mean" * 6) is None


def test_parameters_of_60_characters_are_another_name() -> None:
    assert name_of("auc:hints=" + "x" * 52) == "auc"
    assert name_of("auc:hints=" + "x" * 53) is None


def test_the_words_around_a_name_of_300_characters_are_read() -> None:
    other = "x" * 280
    assert MetricNames({other: "higher"}).find(f"val_{other}_mean") == Known(other, "higher")


def test_a_negated_loss_is_better_higher() -> None:
    assert NAMES.find("neg_log_loss") == Known("negated log_loss", "higher")
    assert NAMES.find("mean_test_neg_mean_squared_error") == Known("negated mse", "higher")
    assert NAMES.find("neg_log_likelihood") == Known("negative_log_likelihood", "lower")
    assert NAMES.find("neg_auc") is None
    assert NAMES.find("neg_loss") == Known("neg_loss", None)
    assert NAMES.find("auc_neg_mse") is None


def test_the_loss_of_an_error_is_the_error_and_the_loss_of_a_score_is_unknown() -> None:
    assert NAMES.find("val_mse_loss_mean") == Known("mse", "lower")
    assert NAMES.find("auc_loss") is None


def test_an_own_name_is_used_before_the_shipped_name() -> None:
    assert MetricNames({"auc": "lower"}).find("val_auc") == Known("auc", "lower")
    assert MetricNames({"Uplift": "higher"}).find("val/uplift_mean") == Known("Uplift", "higher")
    assert MetricNames({"Uplift": "higher"}).find("val_auc") == Known("auc", "higher")


def test_an_own_name_counts_for_the_other_names_of_its_metric() -> None:
    names = MetricNames({"acc": "lower", "auc": "lower", "roc_auc": "higher"})
    assert names.find("val_accuracy") == Known("acc", "lower")
    assert names.find("test_auc") == Known("auc", "lower")
    assert names.find("test_roc_auc") == Known("roc_auc", "higher")
    assert names.find("f1") == Known("f1", "higher")


def test_a_metric_may_have_no_direction_by_policy() -> None:
    assert MetricNames({"latency_ms": None}).find("p_latency_ms") is None
    assert MetricNames({"latency_ms": None}).find("val_latency_ms") == Known("latency_ms", None)
    assert MetricNames({"latency_ms": None}).find("latency_ms") == Known("latency_ms", None)


def test_of_own_names_that_are_read_alike_the_plain_name_counts_for_other_spellings() -> None:
    own: dict[str, Direction | None] = {"R2": "higher", "r2": "lower", "r²": "higher"}
    for names in (MetricNames(own), MetricNames(dict(reversed(own.items())))):
        assert names.find("r-2") == Known("r2", "lower")
        assert names.find("r²") == Known("r²", "higher")


def test_an_own_name_without_letters_or_digits_is_known_as_it_is_written() -> None:
    assert MetricNames({"_": "higher"}).find("_") == Known("_", "higher")
    assert MetricNames({"_": "higher"}).find("/") is None


def test_a_metric_of_the_training_data_is_known_in_the_spelling_of_an_own_name_alone() -> None:
    names = MetricNames({"train_auc": "lower"})
    assert names.find("Train-AUC") == Known("train_auc", "lower")
    assert names.find("train_auc_score") is None
    assert names.find("val_train_auc") is None


@pytest.mark.parametrize(("required", "metrics", "counted"), [
    ("auc", "auc AUC val_auc", "auc"),
    ("auc", "val_auc AUC Auc test_auc", "AUC Auc"),
    ("auc", "val_auc test_roc_auc f1", "test_roc_auc val_auc"),
    ("auc", "train_auc training/auc pr_auc auc_macro f1", ""),
    ("train_auc", "train_auc auc", "train_auc"),
    ("train_auc", "Train-AUC val_train_auc", "Train-AUC"),
    ("val_auc", "auc test_auc Val-AUC", "Val-AUC"),
    ("val_auc", "auc test_auc", ""),
    ("f1_score", "val_f1", "val_f1"),
    ("clip_score", "val_clip_score val_clip", "val_clip_score"),
    ("accuracy", "val_acc mean_accuracy top5_accuracy balanced_accuracy", "mean_accuracy val_acc"),
    ("recall@10", "val_recall_at_10 val_recall@1.0 recall", "val_recall_at_10"),
    ("squared_error", "mean_squared_error", ""),
    ("log_loss", "neg_log_loss", ""),
    ("uplift", "val_uplift uplift_score uplift_macro", "uplift_score val_uplift"),
    ("uplift_score", "val_uplift", "val_uplift"),
    ("_", "- / _auc", ""),
    ("_", "- _", "_"),
])  # fmt: skip
def test_a_requirement_is_met_by_the_same_metric(required: str, metrics: str, counted: str) -> None:
    assert meeting(required, metrics.split()) == counted.split()
