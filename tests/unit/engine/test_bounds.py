"""What a scenario may change in somebody's workload."""

from __future__ import annotations

import pytest
from reelback_operator.engine.model.bounds import Bounds, repository
from reelback_operator.engine.model.spec import Release

IMAGE = "registry.example.com:5000/team/payment:1.4.0"


def release(image: str | None = None, **env: str) -> Release:
    patch = {"env": env, **({"image": image} if image else {})}
    return Release.model_validate({"version": "1.5.0", "targets": [{"name": "payment"}], "patch": patch})


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (IMAGE, "registry.example.com:5000/team/payment"),
        ("payment", "payment"),
        ("payment:1.4.0@sha256:abc", "payment"),
        ("registry:5000/payment", "registry:5000/payment"),
        ("registry:5000/payment@sha256:abc", "registry:5000/payment"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image: str, name: str) -> None:
    assert repository(image) == name


@pytest.mark.parametrize("image", ["registry.example.com:5000/team/payment:2", f"{repository(IMAGE)}@sha256:abc"])
def test_another_tag_of_the_targets_image_may_be_brought(image: str) -> None:
    assert Bounds().refusal(release(image), "SENTRY_RELEASE", IMAGE) == ""


@pytest.mark.parametrize("image", ["evil.example/payment:2", "registry.example.com:5000/team/payment-x:2", "payment:2"])
def test_another_image_may_not_be_brought_unless_its_prefix_is_named(image: str) -> None:
    refusal = Bounds().refusal(release(image), "SENTRY_RELEASE", IMAGE)
    assert refusal == "spec.release.patch.image: must be another tag of registry.example.com:5000/team/payment"
    named = Bounds(images=["evil.example/", "registry.example.com:5000/team/", "payment:"])
    assert named.refusal(release(image), "SENTRY_RELEASE", IMAGE) == ""
    assert Bounds().refusal(release(image), "SENTRY_RELEASE", None), (
        "without knowing the target's there is no other tag"
    )


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PYTHONPATH", "HTTPS_PROXY", "https_proxy", "PATH", "JAVA_TOOL_OPTIONS", "NODE_OPTIONS"]
)
def test_what_decides_which_code_runs_is_never_set(name: str) -> None:
    everything = Bounds(variables=["*"])
    assert name in everything.refusal(release(**{name: "x"}), "SENTRY_RELEASE", IMAGE)
    assert everything.refusal(release(FEATURE="x"), "SENTRY_RELEASE", IMAGE) == ""
    assert name in everything.refusal(release(), name, IMAGE)


def test_variables_are_those_of_the_list() -> None:
    assert Bounds().refusal(release(REELBACK_FAULTS="{}"), "SENTRY_RELEASE", IMAGE) == ""
    refusal = Bounds().refusal(release(WEBHOOK_URL="x"), "SENTRY_RELEASE", IMAGE)
    assert refusal == "spec.release.patch.env.WEBHOOK_URL: this operator lets a release set REELBACK_FAULTS"
    assert Bounds(variables=["WEBHOOK_*"]).refusal(release(WEBHOOK_URL="x"), "SENTRY_RELEASE", IMAGE) == ""
