"""Where the release of somebody else's Deployment is read, and what is said when it cannot be told."""

from __future__ import annotations

from typing import Any, cast

import pytest
from lightkube.models.core_v1 import PodTemplateSpec
from reelback_operator.engine.model.spec import ReleaseFrom
from reelback_operator.platforms.base import Target
from reelback_operator.platforms.releases import config_maps, release
from reelback_operator.platforms.templates import Ambiguous

MAPS = {"app": {"version": "payment@1.4.0", "SENTRY_RELEASE": "payment@1.4.1"}}
FROM_MAP = {"name": "SENTRY_RELEASE", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "version"}}}
FROM_SECRET = {"name": "SENTRY_RELEASE", "valueFrom": {"secretKeyRef": {"name": "app", "key": "version"}}}
FROM_LABEL = {
    "name": "SENTRY_RELEASE",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app.kubernetes.io/version']"}},
}
EXPANDED = [{"name": "VERSION", "value": "1.4.0"}, {"name": "SENTRY_RELEASE", "value": "payment@$(VERSION)"}]


def template(env: list[dict[str, Any]] | None = None, **container: Any) -> PodTemplateSpec:
    serving = {"name": "payment", "image": "registry:5000/payment:1.4.0@sha256:ab", "env": env or [], **container}
    metadata = {"labels": {"app.kubernetes.io/version": "1.4.0"}, "annotations": {"shop/release": "pay@1.4.0"}}
    made = PodTemplateSpec.from_dict({"metadata": metadata, "spec": {"containers": [{"name": "proxy"}, serving]}})
    return cast(PodTemplateSpec, made)


@pytest.mark.parametrize(
    ("made", "origin", "expected"),
    [
        (template([{"name": "SENTRY_RELEASE", "value": "payment@1.4.0"}]), None, "payment@1.4.0"),
        (template([FROM_MAP]), None, "payment@1.4.0"),
        (template(envFrom=[{"configMapRef": {"name": "app"}}]), None, "payment@1.4.1"),
        (template(EXPANDED), None, "payment@1.4.0"),
        (template([*EXPANDED, {"name": "VERSION", "value": "later"}]), None, "payment@1.4.0"),
        (
            template([EXPANDED[0], {"name": "SENTRY_RELEASE", "value": "$$(VERSION)@$(VERSION)"}]),
            None,
            "$(VERSION)@1.4.0",
        ),
        (template([{"name": "SENTRY_RELEASE", "value": "payment@1"}, FROM_MAP]), None, "payment@1.4.0"),
        (template([FROM_LABEL]), None, "1.4.0"),
        (template([{"name": "APP", "value": "1.4.0"}]), {"variable": "APP"}, "payment@1.4.0"),
        (template(), {"imageTag": True}, "payment@1.4.0"),
        (template(), {"label": "app.kubernetes.io/version"}, "payment@1.4.0"),
        (template(), {"annotation": "shop/release"}, "pay@1.4.0"),
    ],
)
def test_a_release_is_found_wherever_it_is(made: PodTemplateSpec, origin: dict[str, Any] | None, expected: str) -> None:
    target = Target(name="payment", release_from=ReleaseFrom.model_validate(origin) if origin else None)
    found = {name: MAPS[name] for name in config_maps(target, made)}
    assert release(target, made, found) == expected


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (template([FROM_SECRET]), "a reference which cannot be read here"),
        (template(), "has no SENTRY_RELEASE, its releases cannot be told apart"),
        (template([EXPANDED[1]]), "refers to VERSION, which is not there"),
        (template([EXPANDED[1], EXPANDED[0]]), "refers to VERSION, which is not there before it"),
        (template(envFrom=[{"secretRef": {"name": "app"}}]), "perhaps in a Secret"),
        (template([FROM_MAP | {"valueFrom": {"configMapKeyRef": {"name": "app", "key": "x"}}}]), "which has no x"),
    ],
)
def test_a_release_that_cannot_be_told_is_refused_with_a_way_out(made: PodTemplateSpec, message: str) -> None:
    with pytest.raises(Ambiguous, match=message) as caught:
        release(Target(name="payment"), made, MAPS)
    assert "targets[].releaseFrom" in str(caught.value)


def test_a_digest_is_no_tag() -> None:
    target = Target(name="payment", release_from=ReleaseFrom(image_tag=True))
    with pytest.raises(Ambiguous, match="has no tag in the image registry:5000/payment@sha256:ab"):
        release(target, template(image="registry:5000/payment@sha256:ab"), {})
