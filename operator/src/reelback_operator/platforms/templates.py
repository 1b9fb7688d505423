"""Pod templates read: which container serves, and what tells one template from another. No I/O."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from lightkube.models.core_v1 import Container, PodTemplateSpec

from reelback_operator.platforms.base import PlatformError, Target, Template

TRACK_LABEL = "reelback.dev/track"
CANDIDATE = "candidate"
# What Kubernetes itself writes into templates, or a person who only wants a restart.
_NOT_THEIRS = ("kubectl.kubernetes.io/restartedAt",)
_NOT_THEIR_LABELS = (TRACK_LABEL, "pod-template-hash")
T = TypeVar("T")


class Ambiguous(Exception):
    """Which container serves, or which release it is, cannot be told. The message follows the target's name."""


def given(value: T | None) -> T:
    """A field that every object from the API server has, though lightkube's types leave it optional."""
    if value is None:
        raise PlatformError("the API server left out a field that it always fills in")
    return value


def main_container(target: Target, template: PodTemplateSpec) -> Container:
    """The container that serves: the one that the target names, or named like the target, or the only one.

    Raises Ambiguous.
    """
    containers = given(template.spec).containers
    wanted = target.container or target.name
    for container in containers:
        if container.name == wanted:
            return container
    names = ", ".join(container.name for container in containers)
    if target.container:
        raise Ambiguous(f"has no container {target.container!r}, only {names}")
    if len(containers) > 1:
        raise Ambiguous(f"has the containers {names}, and none is named like it: say targets[].container")
    return containers[0]


def read(target: Target, template: PodTemplateSpec) -> Template:
    """The template in the engine's terms. Of a variable that is there twice, the last one counts. Raises Ambiguous."""
    container = main_container(target, template)
    env: dict[str, str] = {}
    references: dict[str, str] = {}
    for entry in container.env or []:
        env.pop(entry.name, None)
        references.pop(entry.name, None)
        if entry.valueFrom is None:
            env[entry.name] = entry.value or ""
        else:
            references[entry.name] = json.dumps(entry.valueFrom.to_dict(), sort_keys=True)
    return Template(container.image, env, references, _rest(container.name, template))


def _rest(serving: str, template: PodTemplateSpec) -> str:
    """The digest of everything but the serving container's image and variables."""
    content: dict[str, Any] = template.to_dict()
    for container in content["spec"]["containers"]:
        if container["name"] == serving:
            container.pop("image", None)
            container.pop("env", None)
    metadata = content.pop("metadata", None) or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _NOT_THEIR_LABELS}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _NOT_THEIRS}
    text = json.dumps([content, labels, annotations], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
