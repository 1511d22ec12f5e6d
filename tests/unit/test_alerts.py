"""The alert rules, the dashboard and the configuration of Prometheus name what exists, and leave nothing out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services import names

yaml = pytest.importorskip("yaml", reason="the parser comes with the tools for mutants, and not on every Python")
from tests.alert_rules import DASHBOARD, DEPLOY, EXPRESSIONS, ROOT, RULES, metrics_in  # noqa: E402

TESTS = yaml.safe_load((DEPLOY / "alerts_test.yaml").read_text())["tests"]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
OTHERS = {"up", "ALERTS", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Metrics of Prometheus itself, and of its client."""


def section(title: str) -> str:
    """The text of docs/operations.md from this heading to the next of its level."""
    return OPERATIONS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def samples() -> Mapping[str, set[str]]:
    """The labels of each metric of ours, by the name in expressions."""
    for service in names():
        import_module(f"services.{service}.app")
    found: dict[str, set[str]] = {}
    for metric, series in REGISTRY._collector_to_names.items():
        labels = set(getattr(metric, "_labelnames", ()))
        found |= {name: labels | ({"le"} if name.endswith("_bucket") else set()) for name in series}
    return {name: labels for name, labels in found.items() if name.startswith("modelog_")}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    known = samples()
    assert metrics_in(expression) <= known.keys() | OTHERS
    for name, selected in re.findall(r"\b(modelog_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=", selected)) <= known[name]


def test_every_value_of_a_label_that_an_alert_selects_exists() -> None:
    values = {value for rule in RULES for value in re.findall(r'(?:component|follower)="(\w+)"', rule["expr"])}
    assert values == set(names())


def test_every_service_has_an_alert_when_it_is_missing() -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == "ModelogServiceMissing"]
    assert re.findall(r'component="(\w+)"', rule["expr"]) == sorted(names())


def test_prometheus_scrapes_every_service_as_the_job_of_the_alerts() -> None:
    (scraped,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped["job_name"] == "modelog"
    assert scraped["static_configs"] == [{"targets": [f"{name}:8000" for name in names()]}]
    assert {job for text in EXPRESSIONS for job in re.findall(r'job="(\w+)"', text)} == {"modelog"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_was_expected_and_found_and_where_to_read_on(rule: Mapping[str, Any]) -> None:
    notes = rule["annotations"]
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert notes["summary"].endswith(".")
    assert re.match(r"Expected .+, found .+\. .+\.$", notes["description"])
    assert notes["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_alert_has_a_paragraph_and_every_paragraph_an_alert() -> None:
    paragraphs = re.findall(r"\n### (\w+)\n\n(.+)", section("Alerts"))
    assert [name for name, _ in paragraphs] == [rule["alert"] for rule in RULES]


def test_every_metric_is_described_with_its_labels_and_no_other() -> None:
    rows = dict(re.findall(r"\n\| `(\w+)` \| ([^|]*)\|", section("Metrics")))
    described = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()}
    series = samples()
    histograms = {name.removesuffix("_bucket") for name in series if name.endswith("_bucket")}
    parts = {f"{name}{part}" for name in histograms for part in ("_bucket", "_count", "_sum")}
    totals = {name for name in series if f"{name}_total" in series} | {n for n in series if n.endswith("_created")}
    assert described == {name: labels for name, labels in series.items() if name not in parts | totals}


def test_every_alert_is_shown_to_fire_and_to_stay_silent() -> None:
    fires, silent = set[str](), set[str]()
    for case in (case for test in TESTS for case in test["promql_expr_test"]):
        (pattern,) = re.findall(r'alertname=~?"([^"]+)"', case["expr"])
        asked = {rule["alert"] for rule in RULES if re.fullmatch(pattern, rule["alert"])}
        (silent if case["exp_samples"] == [] else fires).update(asked)
    assert fires == silent == {rule["alert"] for rule in RULES}


def test_the_dashboard_is_what_grafana_reads() -> None:
    assert DASHBOARD.keys() >= {"uid", "title", "schemaVersion", "panels", "time"}
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"].keys() == {"x", "y", "w", "h"} for panel in panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert {panel["datasource"]["type"] for panel in panels} == {source["type"]}
    for panel in panels:
        assert panel.keys() >= {"type", "description", "fieldConfig", "options"}
        assert all(target["refId"] and target["expr"] for target in panel["targets"])
