"""What the operators' guides show is true: numbers, alerts, dashboard, commands and units fit what runs."""

import configparser
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from fluxhouse.assembly import assemble
from fluxhouse.cli.main import app
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings, variable

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
GUIDES = ("backup.md", "upgrade.md", "autoscaling.md", "monitoring.md")
NUMBER = re.compile(r"\b(?:fluxhouse|process)_[a-z_]+[a-z]\b")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def blocks(language):
    """(guide, text) of every block of that language in the guides."""
    for guide in GUIDES:
        text = (HOWTO / guide).read_text("utf-8")
        for indented, block in re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            yield guide, re.sub(rf"^{indented}", "", block, flags=re.MULTILINE)


@pytest.fixture
async def families(tmp_path):
    """What a process shows once it has made a job."""
    platform = assemble(Settings(data=tmp_path, public_url="http://house.test"), backends={"*": TestCard()})
    await platform.start()
    try:
        key = await platform.database.write(lambda c: open_account(c, platform))
        transport = httpx2.ASGITransport(app=platform.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://house.test") as client:
            await client.post(
                "/api/v1/models/flux-dev/run",
                json={"prompt": "a fox", "width": 256, "height": 256},
                headers={"Authorization": f"Bearer {key}", "Prefer": "wait"},
            )
            text = (await client.get("/metrics")).text
    finally:
        await platform.stop()
    return {family.name: family for family in text_string_to_metric_families(text)}


def open_account(connection, platform):
    now = platform.door.clock.now()
    account = accounts.create(connection, os.urandom(4).hex(), now)
    ledger.grant(connection, account.id, 10_000_000, now, None)
    return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]


def shown(families):
    """Every name that a query may use."""
    return {name + suffix for name, family in families.items() for suffix in SUFFIXES.get(family.type, ("",))}


def dashboard_queries():
    dashboard = json.loads((HOWTO / "grafana-dashboard.json").read_text("utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def alerts():
    rules = yaml.safe_load((HOWTO / "prometheus-alerts.yml").read_text("utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"]]


def scaling_queries():
    page = (HOWTO / "autoscaling.md").read_text("utf-8")
    return re.findall(r"sum\(max by .*\)(?=`|$)", page, re.MULTILINE)


async def test_every_query_asks_for_numbers_that_exist(families):
    """Dashboard, alerts and scaling rules name nothing that a running process does not show."""
    queries = [*dashboard_queries(), *(rule["expr"] for rule in alerts()), *scaling_queries()]
    assert len(queries) > 40
    unknown = {name for query in queries for name in NUMBER.findall(query)} - shown(families)
    assert unknown == set()


async def test_every_label_of_a_query_exists(families):
    """What a query groups or selects by is a label of ours or of Prometheus' own."""
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    known = labels | {"instance", "job", "le", "model", "engine"}
    for query in [*dashboard_queries(), *(rule["expr"] for rule in alerts()), *scaling_queries()]:
        for group in re.findall(r"by \(([^)]*)\)", query):
            assert set(group.replace(" ", "").split(",")) <= known, query
        for label in re.findall(r"[{,]\s*(\w+)\s*=", query):
            assert label in known, query


async def test_every_number_is_explained(families):
    """The tables of the monitoring guide hold exactly what is shown, each once."""
    rows = re.findall(r"^\| `(fluxhouse_\w+)` \|", (HOWTO / "monitoring.md").read_text("utf-8"), re.MULTILINE)
    ours = {
        name + "_total" * (family.type == "counter")
        for name, family in families.items()
        if name.startswith("fluxhouse_") and not name.endswith("_created")
    }
    assert sorted(rows) == sorted(ours)


def test_every_alert_can_be_acted_on():
    """Each has a name of its own, a severity and a sentence, and its template names labels that its query keeps."""
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) > 5
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_the_dashboard_is_laid_out():
    """Panels have numbers of their own and do not overlap; every query uses the chosen data source."""
    panels = json.loads((HOWTO / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${source}"}


def commands(text):
    """The `fluxhouse` commands in a text, as lists of words."""
    for line in re.findall(r"(?:^|/bin/|exec \S*/)fluxhouse ((?:[a-z]+)(?: [^'\n]*)?)", text, re.MULTILINE):
        yield line.split()


def test_every_command_exists_with_its_options():
    """What the guides type is understood, in shell blocks, units and containers."""
    known = get_command(app).commands
    typed = [words for language in ("sh", "ini") for _, text in blocks(language) for words in commands(text)]
    for _, text in blocks("yaml"):
        typed += [container["args"] for container in containers(yaml.safe_load(text))]
    assert {words[0] for words in typed} >= {"backup", "restore", "reconcile", "serve", "worker"}
    for command, *words in typed:
        options = {option for parameter in known[command].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (command, words)


def containers(manifest):
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


def test_the_manifests_fit_together():
    """Every YAML block is read; probes ask what exists, on the port that is open; the scaler names its workers."""
    manifests = [yaml.safe_load(text) for _, text in blocks("yaml")]
    for manifest in manifests:
        for container in containers(manifest):
            port = container["ports"][0]["containerPort"]
            for probe in ("readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["port"] == port
                assert container[probe]["httpGet"]["path"] in {"/readyz", "/healthz"}
            assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 45
    names = {manifest["metadata"]["name"] for manifest in manifests if manifest.get("kind") == "Deployment"}
    (scaler,) = (manifest for manifest in manifests if manifest.get("kind") == "ScaledObject")
    assert scaler["spec"]["scaleTargetRef"]["name"] in names


def test_the_units_are_units():
    """Every unit is read, what runs on is stopped with patience and alone, and settings exist."""
    known = {variable(field) for field in Settings.model_fields}
    for guide, text in blocks("ini"):
        unit = configparser.RawConfigParser(strict=True)
        unit.optionxform = str
        unit.read_string(text)
        assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}, guide
        if unit.has_option("Service", "Restart"):
            assert (unit["Service"]["KillMode"], unit["Service"]["TimeoutStopSec"]) == ("mixed", "45")
    texts = "".join((HOWTO / guide).read_text("utf-8") for guide in GUIDES)
    assert set(re.findall(r"FLUXHOUSE_[A-Z_]+", texts)) <= known


@pytest.mark.parametrize(
    ("metrics", "started", "stopped"),
    [
        ('fluxhouse_jobs_open{state="queued"} 5.0\nfluxhouse_jobs_open{state="running"} 4.0\n', "012", ""),
        ('fluxhouse_jobs_open{state="queued"} 0.0\nfluxhouse_jobs_open{state="running"} 0.0\n', "0", "12"),
        ('fluxhouse_jobs_open{state="queued"} 4.0\nfluxhouse_jobs_open{state="running"} 0.0\n', "0", "12"),
        ('fluxhouse_jobs_open{state="queued"} 999.0\n', "012", ""),
        ("nothing 1\n", "", ""),
    ],
)
def test_the_script_starts_and_stops_by_open_jobs(tmp_path, metrics, started, stopped):
    """One worker for four open jobs, from one to three; without a number nothing is changed."""
    (tmp_path / "metrics").write_text(metrics)
    for name, text in (("curl", f'cat "{tmp_path}/metrics"'), ("systemctl", f'echo "$1 $3" >> "{tmp_path}/done"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "MIN": "1", "MAX": "3"}
    ended = subprocess.run(
        [HOWTO / "scale-workers.sh"], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    done = (tmp_path / "done").read_text() if (tmp_path / "done").exists() else ""
    assert "".join(re.findall(r"start fluxhouse-worker@(\d)", done)) == started
    assert "".join(re.findall(r"stop fluxhouse-worker@(\d)", done)) == stopped
    assert ended.returncode == (0 if done else 1)
