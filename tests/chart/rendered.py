"""What the chart's tests share: where it is, how it is installed, and what makes pods in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "reelback"
KUBERNETES = "1.37.0"
Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]
"""Objects by kind and name."""

Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., Objects]

PROFILES = {
    "default": [],
    "sentry": ["--set", "sentry.dsn=https://key@o1.ingest.sentry.io/42"],
    "own-stores": [
        "--set=stores.redis.url=rediss://:secret@cache.example.com:6380/0",
        "--set=stores.redis-telemetry.url=rediss://:secret@cache.example.com:6380/1",
        "--set=stores.mongodb.url=mongodb+srv://user:secret@db.example.com/x",
        "--set-string=stores.kafka.url=kafka://user:secret@one.example.com:9093\\,two.example.com:9094"
        "?security.protocol=SASL_SSL&sasl.mechanism=PLAIN",
        "--set=stores.smtp.url=smtp://user:secret@mail.example.com:587",
    ],
    "own-images": [
        "--set=image.registry=registry.example.com/reelback/,image.tag=v2,image.pullSecrets={pull}",
        "--set=services.payment.replicas=3,otlp.endpoint=http://collector.observability:4318/v1/traces",
    ],
}
"""What helm is given: each is a way in which a team installs the stack."""


def pods(objects: Objects) -> dict[str, Object]:
    """The pod template of everything that makes pods, by the maker's name."""
    templates: dict[str, Object] = {}
    for (kind, name), document in objects.items():
        if kind in ("Deployment", "StatefulSet"):
            templates[name] = document["spec"]["template"]
        elif kind == "CronJob":
            templates[name] = document["spec"]["jobTemplate"]["spec"]["template"]
    return templates


def variables(pod: Object) -> dict[str, Any]:
    """The variables of a pod's first container: the plain value, or where it is taken from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod["spec"]["containers"][0]["env"]}


def secret_files(pod: Object) -> dict[str, str]:
    """The variables that a pod reads from files, and the Secret of each."""
    return {
        item["path"]: source["secret"]["name"]
        for volume in pod["spec"].get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
        for item in source["secret"]["items"]
    }
