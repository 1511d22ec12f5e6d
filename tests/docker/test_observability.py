"""The profile `observability`: Prometheus scrapes every service, and its alerts see what is wrong.

Grafana is tested where its image is, or can be pulled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaProducer
from modelog.events import ModelTrained

from operations.env import dotenv, new
from services import names
from stack.ports import free_port
from stack.waiting import wait_until
from tests.alert_rules import DASHBOARD, EXPRESSIONS, RULES, metrics_in
from tests.docker.checkouts import Checkout, checkout
from tests.docker.standins import can_have

pytestmark = pytest.mark.docker
PORTS = ("KAFKA", "POSTGRES", "S3", "PROMETHEUS", "GRAFANA")
SECONDS = 90.0
"""For what Prometheus sees with its next scrape and its next evaluation, 15 seconds each."""


class Installation:
    """An installation with the profile in its `.env`, and its Prometheus."""

    def __init__(self, found: Checkout) -> None:
        self.found = found
        self.ports = {name: free_port() for name in PORTS}
        variables = {f"MODELOG_{name}_PORT": str(port) for name, port in self.ports.items()}
        variables |= {"COMPOSE_PROJECT_NAME": found.project, "COMPOSE_PROFILES": "observability"}
        (found.folder / ".env").write_text(dotenv(new() | variables | {"MODELOG_IMAGE": found.image}))

    def get(self, server: str, path: str, **query: str) -> Any:
        """The JSON that Prometheus or Grafana answers."""
        with urlopen(f"http://127.0.0.1:{self.ports[server]}{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)

    def query(self, expression: str) -> dict[str, str]:
        """The values of an expression, by the label that its samples have."""
        found = self.get("PROMETHEUS", "/api/v1/query", query=expression)["data"]["result"]
        return {next(iter(sample["metric"].values()), ""): sample["value"][1] for sample in found}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Every service and Prometheus."""
    with checkout(tmp_path_factory.mktemp("observability") / "checkout") as found:
        made = Installation(found)
        found.compose("up", "--detach", "--wait", "--build", "prometheus", *names())
        yield made


def test_every_service_is_scraped(installation: Installation) -> None:
    expected = {f"{name}:8000": "1" for name in names()}
    wait_until(lambda: installation.query("sum by (instance) (up)") == expected, "every target up", seconds=SECONDS)


def test_the_rules_are_loaded_and_evaluated_and_nothing_is_wrong(installation: Installation) -> None:
    def rules() -> dict[str, str]:
        groups = installation.get("PROMETHEUS", "/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    expected = {rule["alert"]: "ok" for rule in RULES}
    wait_until(lambda: rules() == expected, "every rule evaluated", seconds=SECONDS)
    silent = wait_until(lambda: not installation.query("ALERTS"), "no alert of the start", seconds=SECONDS)
    assert silent


@pytest.mark.parametrize("metric", sorted({name for text in EXPRESSIONS for name in metrics_in(text)} - {"ALERTS"}))
def test_a_metric_is_there_before_its_first_event(installation: Installation, metric: str) -> None:
    wait_until(lambda: installation.query(f"count({metric})"), metric, seconds=SECONDS)


def test_the_tests_of_the_rules_pass_where_they_run(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    def promtool(*arguments: str) -> str:
        scratch = ("--env", "TMPDIR=/prometheus")  # nothing else can be written to
        return installation.found.compose("exec", "--no-TTY", *scratch, "prometheus", "promtool", *arguments)

    assert "SUCCESS" in promtool("test", "rules", "/etc/modelog/alerts_test.yaml")
    assert f"{len(RULES)} rules found" in promtool("check", "config", "/etc/modelog/prometheus.yml")
    with capsys.disabled():
        print(f" Prometheus here: {promtool('--version').split(' (')[0].removeprefix('promtool, ')}", end=" ")


def test_every_panel_of_the_dashboard_is_answered(installation: Installation) -> None:
    def answered(panel: Mapping[str, Any]) -> bool:
        shown = [installation.query(target["expr"]) for target in panel["targets"]]
        return panel["type"] == "timeseries" or all(shown)

    for panel in DASHBOARD["panels"]:  # an increase needs a second scrape
        assert wait_until(partial(answered, panel), f"{panel['title']} before the first event", seconds=SECONDS)


async def test_a_record_that_no_service_can_answer_has_an_alert(installation: Installation) -> None:
    async with AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{installation.ports['KAFKA']}") as producer:
        await producer.send_and_wait(ModelTrained.type, b"not json")
    alerts = 'sum by (service) (ALERTS{alertname="ModelogRecordsParked", alertstate="firing"})'
    expected = {"ingestion": "1"}
    wait_until(lambda: installation.query(alerts) == expected, "an alert", seconds=SECONDS)


def test_a_service_that_is_stopped_has_alerts(installation: Installation) -> None:
    installation.found.compose("stop", "promotion")

    def pending() -> bool:
        missing = installation.query('sum by (component) (ALERTS{alertname="ModelogServiceMissing"})')
        down = installation.query('sum by (instance) (ALERTS{alertname="ModelogProcessDown"})')
        return missing == {"promotion": "1"} and down == {"promotion:8000": "1"}

    wait_until(pending, "alerts of the service and of its process", seconds=SECONDS)


def test_grafana_shows_the_dashboard_to_whoever_asks_on_this_machine(installation: Installation) -> None:
    compose = json.loads(installation.found.compose("config", "--format", "json"))
    if not can_have(image := compose["services"]["grafana"]["image"]):
        pytest.skip(f"{image} is not here and cannot be pulled, and has no stand-in")
    installation.found.compose("up", "--detach", "--wait", "grafana")
    shown = wait_until(
        lambda: installation.get("GRAFANA", "/api/dashboards/uid/modelog")["dashboard"],
        "the dashboard",
        seconds=SECONDS,
        not_yet=OSError,
    )
    stored = json.loads((Path(installation.found.folder) / "deploy/grafana/dashboards/modelog.json").read_text())
    assert [panel["title"] for panel in shown["panels"]] == [panel["title"] for panel in stored["panels"]]
