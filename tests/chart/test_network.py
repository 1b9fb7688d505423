"""Traffic goes along the edges of the services map and along no others: the policies, read as a CNI reads them."""

from __future__ import annotations

import pytest
import yaml

from tests.chart.rendered import CHART, PROFILES, Object, Objects, Render, pods, variables

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SERVICES = VALUES["services"]
STORES = VALUES["stores"]


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector (of matchLabels only) takes a pod."""
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def allows(objects: Objects, direction: str, pod: Object, peer: Object, port: str) -> bool:
    """Whether the policies of `pod` let it send to (Egress) or get from (Ingress) `peer` on a named TCP port."""
    labels, others = pod["metadata"]["labels"], peer["metadata"]["labels"]
    policies = [document["spec"] for (kind, _), document in objects.items() if kind == "NetworkPolicy"]
    mine = [spec for spec in policies if direction in spec["policyTypes"] and matches(spec["podSelector"], labels)]
    assert mine, f"no policy holds {labels}"
    side = {"Egress": "to", "Ingress": "from"}[direction]
    return any(
        any(entry["port"] == port for entry in rule.get("ports", [{"port": port}]))
        and (side not in rule or any(matches(to["podSelector"], others) for to in rule[side] if "podSelector" in to))
        for spec in mine
        for rule in spec.get(direction.lower(), [])
    )


Edge = tuple[str, str, str]
"""Who sends, to whom, on which of its ports."""


def ports(pod: Object) -> list[str]:
    """The names of a pod's ports."""
    return [port["name"] for port in pod["spec"]["containers"][0].get("ports", [])]


def wanted() -> set[Edge]:
    """The edges as the map tells them."""
    edges = {("load", "gateway", "http"), ("load", "web", "http")}
    for name, service in SERVICES.items():
        edges |= {(name, callee, SERVICES[callee]["protocol"]) for callee in service.get("calls", [])}
        edges |= {(name, STORES[store].get("service", store), store) for store in service.get("stores", [])}
        if name != "minisentry":
            edges.add((name, "minisentry", "ingest"))
    return edges


def test_traffic_goes_along_the_edges_of_the_map_and_no_others(stack: Objects) -> None:
    templates = pods(stack)
    edges = [
        (source, target, port)
        for source in templates
        for target in templates
        if source != target
        for port in ports(templates[target])
        if port != "metrics"
    ]
    sending = {edge for edge in edges if allows(stack, "Egress", templates[edge[0]], templates[edge[1]], edge[2])}
    getting = {edge for edge in edges if allows(stack, "Ingress", templates[edge[1]], templates[edge[0]], edge[2])}
    assert sending == wanted()
    # A node port is open to everyone: what comes from outside has no labels to tell it by.
    public = {name for name, service in SERVICES.items() if "nodePort" in service}
    assert getting == wanted() | {edge for edge in edges if edge[1] in public and edge[2] == "http"}


def test_a_brokers_controller_is_reached_by_nobody(stack: Objects) -> None:
    templates = pods(stack)
    assert ports(templates["kafka"]) == ["kafka"]
    assert "CONTROLLER://127.0.0.1:" in variables(templates["kafka"])["KAFKA_LISTENERS"]


def test_a_candidate_is_held_by_the_same_policies(stack: Objects) -> None:
    templates = pods(stack)
    candidate = {
        "metadata": {"labels": templates["payment"]["metadata"]["labels"] | {"reelback.dev/track": "candidate"}}
    }
    assert allows(stack, "Ingress", candidate, templates["game"], "grpc")
    assert allows(stack, "Egress", candidate, templates["mongodb"], "mongodb")
    assert not allows(stack, "Ingress", candidate, templates["user"], "grpc")


def namespaces(rules: list[Object], side: str, port: str | int) -> list[str]:
    """The namespaces that a port is open to, or leads to."""
    entries = [
        to for rule in rules if {"port": port} in [{"port": e["port"]} for e in rule["ports"]] for to in rule[side]
    ]
    return [entry["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for entry in entries]


def test_metrics_are_for_the_namespace_of_prometheus(render: Render) -> None:
    objects = render("--set=prometheus.namespace=observability")
    for name in SERVICES:
        policy = objects["NetworkPolicy", name]["spec"]
        assert namespaces(policy["ingress"], "from", "metrics") == ["observability"]


def test_names_are_asked_for_in_kube_system_only(stack: Objects) -> None:
    for name in (*SERVICES, "load"):
        assert namespaces(stack["NetworkPolicy", name]["spec"]["egress"], "to", 53) == ["kube-system"]


def outside(objects: Objects, name: str) -> set[int]:
    """The ports that a service may reach anywhere."""
    rules = objects["NetworkPolicy", name]["spec"]["egress"]
    return {entry["port"] for rule in rules if "to" not in rule for entry in rule["ports"]}


def test_what_is_outside_is_let_out_by_its_port(render: Render) -> None:
    assert outside(render(*PROFILES["sentry"]), "payment") == {443}
    assert outside(render(*PROFILES["own-stores"]), "payment") == {27017, 9093, 9094}
    assert outside(render(*PROFILES["own-stores"]), "user") == {27017, 6380, 9093, 9094}
    assert outside(render(*PROFILES["own-stores"]), "notification") == {27017, 9093, 9094, 587}
    assert outside(render(*PROFILES["own-images"]), "game") == {4318}
    assert outside(render(), "game") == set()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://mail.example.com", {465}),
        ("smtp://mail.example.com", {25}),
        ("smtp://user%40example.com:pa%2Fss@mail.example.com:2525", {2525}),
    ],
)
def test_a_mail_server_is_reached_on_its_port_or_its_schemes(render: Render, url: str, expected: set[int]) -> None:
    assert outside(render(f"--set=stores.smtp.url={url}"), "notification") == expected


def test_only_web_and_admin_are_let_out_to_where_browsers_reports_go(render: Render) -> None:
    given = render("--set=sentry.browserDsn=http://key@sentry.example.com:9000/2")
    assert outside(given, "web") == outside(given, "admin") == {9000}
    assert outside(given, "game") == set()
    assert outside(render(), "web") == set()


def test_webhooks_are_let_out_only_where_one_is_set(render: Render) -> None:
    assert outside(render(), "notification") == set()
    given = render(
        "--set=services.notification.env.SMS_WEBHOOK_URL=https://sms.example.com/hook",
        "--set=services.notification.env.ALERTS_WEBHOOK_URL=http://alerts.observability:8088/x",
    )
    assert outside(given, "notification") == {443, 8088}
    assert outside(given, "payment") == set()
