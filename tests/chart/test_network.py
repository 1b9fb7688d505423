"""Traffic goes along the edges of the services map and along no others: the policies, read as a CNI reads them."""

from __future__ import annotations

import yaml

from tests.chart.rendered import CHART, PROFILES, Object, Objects, Render, pods

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SERVICES = VALUES["services"]


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
        and (side not in rule or any(matches(to.get("podSelector", {}), others) for to in rule[side]))
        for spec in mine
        for rule in spec.get(direction.lower(), [])
    )


def port_name(target: str) -> str:
    return str(SERVICES[target]["protocol"] if target in SERVICES else target)


def wanted() -> set[tuple[str, str]]:
    """The edges as the map tells them."""
    edges = {("load", "gateway")}
    for name, service in SERVICES.items():
        edges |= {(name, callee) for callee in [*service.get("calls", []), *service.get("stores", [])]}
        if name != "minisentry":
            edges.add((name, "minisentry"))
    return edges


def test_traffic_goes_along_the_edges_of_the_map_and_no_others(stack: Objects) -> None:
    templates = pods(stack)
    pairs = [(one, other) for one in templates for other in templates if other not in (one, "load")]
    sending = {
        (source, target)
        for source, target in pairs
        if allows(stack, "Egress", templates[source], templates[target], port_name(target))
    }
    getting = {
        (source, target)
        for source, target in pairs
        if allows(stack, "Ingress", templates[target], templates[source], port_name(target))
    }
    assert sending == wanted()
    # A node port is open to everyone: what comes from outside has no labels to tell it by.
    public = {name for name, service in SERVICES.items() if "nodePort" in service}
    assert getting == wanted() | {(source, target) for source, target in pairs if target in public}


def test_a_candidate_is_held_by_the_same_policies(stack: Objects) -> None:
    templates = pods(stack)
    candidate = {
        "metadata": {"labels": templates["payment"]["metadata"]["labels"] | {"reelback.dev/track": "candidate"}}
    }
    assert allows(stack, "Ingress", candidate, templates["game"], "grpc")
    assert allows(stack, "Egress", candidate, templates["mongodb"], "mongodb")
    assert not allows(stack, "Ingress", candidate, templates["user"], "grpc")


def test_prometheus_reads_the_metrics_from_anywhere_in_the_cluster(stack: Objects) -> None:
    prometheus = {"metadata": {"labels": {"app.kubernetes.io/name": "prometheus"}}}
    for name in SERVICES:
        assert allows(stack, "Ingress", pods(stack)[name], prometheus, "metrics")


def test_what_is_outside_is_let_out_by_its_port(render: Render) -> None:
    def ports(objects: Objects, name: str) -> set[int]:
        rules = objects["NetworkPolicy", name]["spec"]["egress"]
        return {entry["port"] for rule in rules if "to" not in rule for entry in rule["ports"]} - {53}

    assert ports(render(*PROFILES["sentry"]), "payment") == {443}
    assert ports(render(*PROFILES["own-stores"]), "payment") == {27017}
    assert ports(render(*PROFILES["own-stores"]), "user") == {27017, 6380}
    assert ports(render(*PROFILES["own-images"]), "game") == {4318}
    assert ports(render(), "game") == set()
