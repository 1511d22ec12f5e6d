"""The alert rules and the dashboard of deploy/, and the metrics that they ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
RULES: list[Mapping[str, Any]] = [
    rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/modelog.json").read_text())
EXPRESSIONS = [rule["expr"] for rule in RULES]
EXPRESSIONS += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
WORDS = {"absent", "and", "by", "changes", "increase", "label_replace", "max", "offset", "on", "or", "rate", "sum"} | {
    "avg_over_time", "component", "count", "decider", "follower", "histogram_quantile", "le", "outcome", "service",
    "type", "unless", "vector",
}  # fmt: skip
"""Functions, operators and labels of the expressions."""


def metrics_in(expression: str) -> set[str]:
    """The names of the metrics: what is no text, number, duration, label or function."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[\w+\]', " ", expression)
    return set(re.findall(r"\b[a-zA-Z_]\w*\b", bare)) - WORDS
