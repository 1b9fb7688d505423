"""The values are one list for everybody, and wrong ones are refused by name."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.chart.rendered import CHART, ROOT, Helm

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SERVICES = VALUES["services"]


def package(service: str) -> str:
    """What a service is started from: all that serve pages are the server of web."""
    return "web" if SERVICES.get(service, {}).get("pages") else service


def test_each_service_has_a_package_and_each_package_is_a_service() -> None:
    started = {package(name) for name in (*SERVICES, "loadgen")}
    assert {path.parent.name for path in ROOT.glob("services/*/src")} == {*started, "common", "telemetry"}
    for name in started:
        assert (ROOT / f"services/{name}/src/reelback_{name}/__main__.py").is_file(), f"{name} cannot be started"


def test_each_patch_of_releases_is_an_image_on_kind() -> None:
    config = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    for helm in (config["deploy"]["helm"], config["profiles"][0]["deploy"]["helm"]):
        commands = [hook["host"]["command"][-1] for hook in helm["hooks"]["before"]]
        for patch in ROOT.glob("releases/*.patch"):
            service, _, version = patch.stem.partition("-")
            build = f"--build-arg SERVICE={service} --build-arg PATCH=releases/{patch.name} ."
            [command] = [command for command in commands if build in command]
            assert f"--tag {service}:{version} --file services/Dockerfile --target patched" in command
            assert f"kind load docker-image {service}:{version} " in command


def test_each_image_is_built_and_handed_to_its_chart() -> None:
    config = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    images = {artifact["image"]: artifact["docker"] for artifact in config["build"]["artifacts"]}
    assert set(images) == {*SERVICES, "loadgen", "operator"}
    for name, docker in images.items():
        assert docker["dockerfile"] == "services/Dockerfile"
        assert docker.get("buildArgs", {}) == ({} if name == "operator" else {"SERVICE": package(name)})
    releases = config["deploy"]["helm"]["releases"] + config["profiles"][0]["deploy"]["helm"]["releases"]
    for release in releases:
        handed = {
            key: value
            for key, value in release["setValueTemplates"].items()
            if key.endswith("image") and not key.startswith("stores.")
        }
        expected = {f"services.{name}.image": f"{{{{.IMAGE_FULLY_QUALIFIED_{name}}}}}" for name in SERVICES}
        expected["load.image"] = "{{.IMAGE_FULLY_QUALIFIED_loadgen}}"
        operator = {"image": "{{.IMAGE_FULLY_QUALIFIED_operator}}"}
        assert handed == (operator if release["name"] == "reelback-operator" else expected)


def test_the_players_image_has_a_browser_where_that_is_asked_for() -> None:
    config = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    [profile] = [profile for profile in config["profiles"] if profile["name"] == "browsers"]
    image, told = profile["patches"]
    _, _, section, number, *rest = image["path"].split("/")
    assert (section, config["build"][section][int(number)]["image"]) == ("artifacts", "loadgen")
    assert (rest, image["value"]) == (["docker", "target"], "players")
    assert config["deploy"]["helm"]["releases"][0]["name"] == "reelback"
    assert "setValues" not in config["deploy"]["helm"]["releases"][0]
    assert told["value"] == {"load.browser": True}


def test_the_images_of_stores_have_exact_tags() -> None:
    images = [store["image"] for store in VALUES["stores"].values() if "image" in store]
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+", image), image


def test_a_service_needs_twelve_lines_at_most() -> None:
    section = (CHART / "values.yaml").read_text().split("\nservices:\n")[1].split("\n\n")[0]
    blocks = re.split(r"^  (?=\w)", section, flags=re.MULTILINE)[1:]
    lengths = {block.split(":")[0]: len(block.strip().splitlines()) for block in blocks}
    assert set(lengths) == set(SERVICES)
    assert max(lengths.values()) <= 12, lengths


def test_ports_are_each_used_once() -> None:
    ports = [service[key] for service in SERVICES.values() for key in ("port", "metricsPort")]
    ports += [store["port"] for store in VALUES["stores"].values()]
    assert len(ports) == len(set(ports)), ports


def test_kind_leads_the_ports_of_this_machine_to_the_node_ports_and_binds_them_to_loopback() -> None:
    node = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"][0]
    mappings = node["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}
    led = {mapping["hostPort"]: mapping["containerPort"] for mapping in mappings}
    assert led == {service["port"]: service["nodePort"] for service in SERVICES.values() if "nodePort" in service}


def test_helm_finds_nothing_to_complain_about(helm: Helm) -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("replicas=3", "'replicas' not allowed"),
        ("version=latest", "/version"),
        ("environment=a/b", "/environment"),
        ("sentry.dsn=example.com", "/sentry/dsn"),
        ("sentry.browserDsn=example.com", "/sentry/browserDsn"),
        ("sentry.token=abc", "'token' not allowed"),
        ("otlp.endpoint=collector:4317", "/otlp/endpoint"),
        ("stores.redis.url=http://cache", "/stores/redis/url"),
        ("stores.kafka.url=one:9092", "/stores/kafka/url"),
        ("stores.kafka.user=0", "/stores/kafka/user"),
        ("stores.kafka.writable={tmp}", "/stores/kafka/writable/0"),
        ("stores.smtp.url=mail.example.com", "/stores/smtp/url"),
        ("stores.smtp.service=postbox", "stores.smtp.service: there is no service postbox"),
        ("stores.mongodb.storage=big", "/stores/mongodb/storage"),
        ("stores.postgres.url=x", "'postgres' not allowed"),
        ("services.payment.prot=9", "/services/payment"),
        ("services.payment.port=99999", "/services/payment/port"),
        ("services.payment.protocol=tcp", "/services/payment/protocol"),
        ("services.payment.replicas=-1", "/services/payment/replicas"),
        ("services.payment.env.X=1", "/services/payment/env/X"),
        ("services.payment.stores={postgres}", "/services/payment/stores/0"),
        ("services.payment.resources.limits.memory=lots", "/services/payment/resources/limits/memory"),
        ("services.bonus.protocol=http", "/services/bonus"),
        ("services.game.calls={bonus}", "services.game.calls: bonus is no gRPC service"),
        ("services.game.calls={gateway}", "services.game.calls: gateway is no gRPC service"),
        ("load.rps=0", "/load/rps"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, given: str, named: str) -> None:
    result = helm("template", "stack", str(CHART), "--set", given)
    assert result.returncode != 0
    assert named in result.stderr
