"""What a metric is, by its name: whether a higher or a lower value of it is better, and which requirement it meets.

A name is read in four steps, of which each keeps what the one before has found: as it is written; in lower case with
its words apart (`ValF1-Score` is `val_f1_score`); without what says where it was measured (`val_`, `_mean`, `_score`);
without what makes a variant of it (`_macro`, `@10`, `top_5_`). A requirement is met after three steps, a direction is
found after four: `recall@10` is no recall, and higher is better for both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from modelog.metric_directions import GROUPS, UNKNOWN

Direction = Literal["higher", "lower"]

PLACES = (
    "val valid validation test testing eval evaluation cv xval cross_val cross_validation dev holdout hold_out "
    "heldout held_out oof out_of_fold out_of_sample best final last mean avg average metric metrics"
)
"""Words before or after a name that say on which data it was measured, or how several measurements became a value."""
VARIANTS = (
    "macro micro weighted samples binary multi_class multi_label multi multiclass multilabel categorical sparse "
    "normalized adjusted balanced overall total per_class retrieval top_k topk ovr ovo"
)
"""Words before or after a name that make another metric of it, with the same direction."""
MAX_WORDS = 5
"""How many words are left out at each end: a name of 300 characters has 150 words, and a report thousands of names."""
MAX_CHARACTERS = 60
"""How much of the end of a name is searched for a word; CatBoost's parameters are a word."""

SEPARATORS = re.compile(r"[\s_\-/:,()\[\]]+|(?<![0-9])\.|\.(?![0-9])")
HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BETWEEN_WORDS = re.compile(r"(?<![0-9])_|_(?![0-9])")
PLACE, VARIANT = PLACES.replace(" ", "|"), VARIANTS.replace(" ", "|")
NUMBER = r"[0-9]+(?:\.[0-9]+)?"
BEFORE_PLACE, AFTER_PLACE = re.compile(f"(?:{PLACE})_"), re.compile(f"_(?:{PLACE}|score)$")
BEFORE = re.compile(f"(?:{PLACE}|{VARIANT}|top_?[0-9]+)_")
AFTER = re.compile(f"_(?:{PLACE}|score|{VARIANT}|at|k|pct|percent|%|:.*|{NUMBER})$|(?<=[a-z])[0-9]+$")
TRAINING = re.compile(r"(?:^|_)train(?:ing)?(?:_|$)")
NEGATED, LOSS = re.compile(f"((?:(?:{PLACE})_)*)neg_(.*)"), re.compile(r"(.*)_loss((?:_.*)?)$")


class Known(NamedTuple):
    """A metric by the name under which it is known, and its direction; None is never compared."""

    name: str
    direction: Direction | None


def spelled(name: str) -> str:
    """The words of a name in lower case, joined by `_`: `Val/MeanSquaredError` is `val_mean_squared_error`."""
    text = unicodedata.normalize("NFKC", name).strip()
    head, colon, parameters = text.rpartition(":")
    if not colon or "=" not in parameters:
        head, parameters = text, ""
    head = HUMPS.sub("_", head).lower().replace("@", "_at_")
    head = "minus" + head if head.startswith("-") else head  # -auc is not auc
    return "_".join(word for word in (*SEPARATORS.split(head), parameters and f":{parameters.lower()}") if word)


def joined(text: str) -> str:
    """The key of spelled text: `log_loss` and `logloss` are a metric, `top_1_5` and `top_15` are two."""
    return BETWEEN_WORDS.sub("", text)


def shortened(text: str, before: re.Pattern[str], after: re.Pattern[str]) -> list[str]:
    """Spelled text, then the same without some of the words around it, the longest first."""
    fronts, found = [text], []
    while len(fronts) <= MAX_WORDS and (match := before.match(fronts[-1])):
        fronts.append(fronts[-1][match.end() :])
    for front in fronts:
        backs = [front]
        while len(backs) <= MAX_WORDS and (match := after.search(backs[-1], len(backs[-1]) - MAX_CHARACTERS)):
            backs.append(backs[-1][: match.start()])
        found += backs
    return sorted(dict.fromkeys(found), key=len, reverse=True)


def listed(text: str) -> Iterator[list[str]]:
    """The metrics of a list, each with its other names after its first."""
    return (metric.split("=") for metric in text.split())


def shipped() -> Iterator[tuple[str, Known]]:
    """Every key of a shipped name, with the metric that it is."""
    lists: list[tuple[str, Direction | None]] = [(names, None) for names in UNKNOWN]
    for group in GROUPS:
        lists += [(group.higher, "higher"), (group.lower, "lower")]
    for text, direction in lists:
        for names in listed(text):
            for name in names:
                yield joined(name), Known(names[0], direction)


SHIPPED: dict[str, Known] = dict(shipped())
KEYS = {name: [key for key, known in SHIPPED.items() if known.name == name] for name, _ in SHIPPED.values()}


class MetricNames:
    """The shipped names, and those of a policy over them."""

    def __init__(self, own: Mapping[str, Direction | None]) -> None:
        self._own, self._known = own, dict(SHIPPED)
        # Of own names that differ in their spelling alone, the plainest counts for all other spellings.
        by_key = {joined(spelled(name)): name for name in sorted(own, key=lambda name: (name == spelled(name), name))}
        by_key.pop("", None)
        for key, name in by_key.items():
            if key in SHIPPED:
                self._known |= dict.fromkeys(KEYS[SHIPPED[key].name], Known(name, own[name]))
        self._known |= {key: Known(name, own[name]) for key, name in by_key.items()}

    def find(self, metric: str) -> Known | None:
        """What is known of a metric; None of an unknown name, and of the training data unless the policy names it."""
        if metric in self._own:
            return Known(metric, self._own[metric])
        text = spelled(metric)
        if TRAINING.search(text):
            return self._known.get(joined(text))
        if found := self._find(text):
            return found
        if (match := NEGATED.match(text)) and (found := self._find(match[1] + match[2])) and found.direction == "lower":
            return Known(f"negated {found.name}", "higher")
        if (match := LOSS.match(text)) and (found := self._find(match[1] + match[2])) and found.direction == "lower":
            return found
        return None

    def _find(self, text: str) -> Known | None:
        keys = map(joined, shortened(text, BEFORE, AFTER))
        return next((self._known[key] for key in keys if key in self._known), None)


def meeting(required: str, metrics: Iterable[str]) -> list[str]:
    """The names out of `metrics` that count as the required one, in order: itself, or else its other spellings, or
    else every name that is it without what says where it was measured. None of the training data counts as another.
    """
    names, text = sorted(metrics), spelled(required)
    key, short = joined(text), joined(text.removesuffix("_score"))
    if required in names or not key:
        return [name for name in names if name == required]
    same = [name for name in names if joined(spelled(name)) == key]
    return same or [name for name in names if _counts(name, key if key in SHIPPED else short)]


def _counts(name: str, required: str) -> bool:
    text = spelled(name)
    if TRAINING.search(text):
        return False
    for key in map(joined, shortened(text, BEFORE_PLACE, AFTER_PLACE)):
        if key in SHIPPED or key == required:
            return _metric(key) == _metric(required)
    return False


def _metric(key: str) -> str:
    return SHIPPED[key].name if key in SHIPPED else key
