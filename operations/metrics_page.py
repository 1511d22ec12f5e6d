"""The lists and examples of docs/metrics.md, made from the code that reads the names of metrics."""

from __future__ import annotations

from collections.abc import Iterator

from modelog.metric_directions import GROUPS, UNKNOWN
from modelog.metric_names import PLACES, VARIANTS, MetricNames, listed

MARK = "<!-- What follows is written by `make generate` from sdk/src/modelog/metric_{names,directions}.py. -->"
EXAMPLES = (
    "val_auc", "ValF1-Score", "test/MeanSquaredError", "mean_test_neg_log_loss", "recall@10", "top_5_accuracy",
    "f1_macro", "weighted avg/f1-score", "NDCG:top=10", "mAP@0.5:0.95", "train_auc", "1-auc", "std_test_f1",
    "n_samples", "mean_error",
)  # fmt: skip


def with_metrics(text: str) -> str:
    """The page with examples and lists after the mark."""
    return f"{text.partition(MARK)[0]}{MARK}\n\n" + "\n".join(lines()) + "\n"


def lines() -> Iterator[str]:
    """The lines of the generated part."""
    yield from ("## Examples", "", "| name | known as | better |", "|---|---|---|")
    for name in EXAMPLES:
        known = MetricNames({}).find(name)
        direction = known.direction if known else None
        yield f"| `{name}` | {known.name if known and direction else ''} | {direction or 'not compared'} |"
    yield from ("", "## Words around a name", "", f"Where it was measured: {_code(PLACES)}.", "")
    yield from (f"Variants: {_code(VARIANTS)}.", "", "## Known metrics", "")
    for group in GROUPS:
        yield from (f"### {group.title}", "", f"From {group.sources}.", "")
        for better, text in (("Higher", group.higher), ("Lower", group.lower)):
            if text:
                yield from (f"{better} is better: {_names(text)}.", "")
    yield from ("### Without a direction", "")
    for text, reason in UNKNOWN.items():
        yield f"- {_names(text)}: {reason}"


def _code(words: str) -> str:
    return ", ".join(f"`{word}`" for word in words.split())


def _names(text: str) -> str:
    return ", ".join(
        f"`{first}`" + (f" ({_code(' '.join(others))})" if others else "") for first, *others in listed(text)
    )
