"""The objects are ones that Kubernetes takes, a hardened cluster admits, and a candidate's pods fit into."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from reelback_local.layout import values

from tests.chart.rendered import CHART, KUBERNETES, PROFILES, Object, Objects, Render, pods, secret_files, variables

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kubernetes' own schemas, which kubeconform would fetch from the network, as a package on this machine has them.

    They are strict already; their ids are taken out, for kubeconform would look for what they refer to at that address.
    """
    source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    folder = tmp_path_factory.mktemp("schemas")
    for file in source.iterdir():
        if file.name.endswith(("-v1.json", "_definitions.json")):
            schema = json.loads(file.read_text().replace('"/api/_definitions.json#', '"_definitions.json#'))
            del schema["$id"]
            (folder / file.name).write_text(json.dumps(schema))
    return folder


def conform(schemas: Path, documents: Objects) -> subprocess.CompletedProcess[str]:
    """Check the objects with kubeconform."""
    binary = shutil.which("kubeconform")
    if binary is None:
        pytest.skip("kubeconform is not on the PATH: the objects are not checked against Kubernetes' schemas")
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    return subprocess.run(
        [binary, "-strict", "-summary", "-schema-location", location],
        input=yaml.safe_dump_all(documents.values()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_kubernetes_knows_every_field(schemas: Path, objects: Objects) -> None:
    result = conform(schemas, objects)
    assert result.returncode == 0, result.stdout
    assert f"Valid: {len(objects)}," in result.stdout


def test_that_check_sees_a_field_that_does_not_exist(schemas: Path, stack: Objects) -> None:
    broken = json.loads(json.dumps(stack["Deployment", "payment"]))
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    result = conform(schemas, {("Deployment", "payment"): broken})
    assert result.returncode != 0
    assert "readynessProbe" in result.stdout


def test_every_pod_is_admitted_where_pod_security_is_restricted(objects: Objects) -> None:
    for name, pod in pods(objects).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert ("ServiceAccount", spec["serviceAccountName"]) in objects, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
            "emptyDir",
            "secret",
            "projected",
        }
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108 - the pod's own


def test_every_container_says_what_it_needs_and_what_it_may_take(objects: Objects) -> None:
    for pod in pods(objects).values():
        for container in pod["spec"]["containers"]:
            for bound in ("requests", "limits"):
                assert set(container["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}
        assert all(volume["emptyDir"].get("sizeLimit") for volume in pod["spec"]["volumes"] if "emptyDir" in volume)


def test_every_server_tells_whether_it_lives_and_whether_it_is_ready(objects: Objects) -> None:
    for name, pod in pods(objects).items():
        container = pod["spec"]["containers"][0]
        if name != "load":
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name
    payment = objects["Deployment", "payment"]["spec"]["template"]["spec"]["containers"][0]
    assert payment["livenessProbe"]["grpc"] == {"port": 8083, "service": "live"}
    assert payment["readinessProbe"]["grpc"] == {"port": 8083}
    gateway = objects["Deployment", "gateway"]["spec"]["template"]["spec"]["containers"][0]
    assert gateway["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert gateway["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_a_candidate_is_behind_the_service_and_not_among_the_stable_pods(objects: Objects) -> None:
    for (kind, name), deployment in objects.items():
        if kind != "Deployment":
            continue
        stable = deployment["spec"]["template"]["metadata"]["labels"]
        candidate = stable | {"reelback.dev/track": "candidate"}
        for selecting in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            spec = objects[selecting, name]["spec"]
            selector = spec.get("podSelector", spec.get("selector"))
            assert selector.get("matchLabels", selector).items() <= candidate.items(), (selecting, name)
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selector.items() <= stable.items()
        assert not selector.items() <= candidate.items()


def test_grpc_services_are_headless(objects: Objects) -> None:
    for name in ("user", "game", "payment", "analytics", "notification"):
        assert objects["Service", name]["spec"]["clusterIP"] == "None"


def test_a_release_is_the_name_and_the_version(render: Render) -> None:
    for name, pod in pods(render("--set", "version=2.0.0-rc.1")).items():
        if ("Deployment", name) in render():
            assert variables(pod)["SENTRY_RELEASE"] == f"{name}@2.0.0-rc.1"


def test_telemetry_goes_to_minisentry_until_a_dsn_is_given(stack: Objects, render: Render) -> None:
    assert secret_files(pods(stack)["payment"])["SENTRY_DSN"] == "sentry"
    key = decoded(stack, "minisentry")["MINISENTRY_KEY"]
    assert decoded(stack, "sentry")["SENTRY_DSN"] == f"http://{key}@minisentry-ingest:8091/1"
    assert "nodePort" not in json.dumps(stack["Service", "minisentry-ingest"])
    given = render(*PROFILES["sentry"])
    assert decoded(given, "sentry") == {
        "SENTRY_DSN": "https://key@o1.ingest.sentry.io/42",
        "BROWSER_DSN-web": "",
        "BROWSER_DSN-admin": "",
    }
    assert not [key for key in given if "minisentry" in key]


def test_what_browsers_report_goes_by_web_with_a_key_of_its_own(stack: Objects, render: Render) -> None:
    assert {name for name, pod in pods(stack).items() if "BROWSER_DSN" in secret_files(pod)} == {"web", "admin"}
    keys = decoded(stack, "minisentry")
    assert keys["MINISENTRY_BROWSER_KEY"] != keys["MINISENTRY_KEY"]
    for site, project in (("web", 2), ("admin", 3)):
        expected = f"http://{keys['MINISENTRY_BROWSER_KEY']}@minisentry-ingest:8091/{project}"
        assert decoded(stack, "sentry")[f"BROWSER_DSN-{site}"] == expected
    own = "https://key@o1.ingest.sentry.io/43"
    given = render(*PROFILES["sentry"], f"--set=sentry.browserDsn={own}")
    assert decoded(given, "sentry")["BROWSER_DSN-web"] == decoded(given, "sentry")["BROWSER_DSN-admin"] == own


def test_the_pages_are_let_in_by_the_gateway_they_call(stack: Objects) -> None:
    gateway = stack["Service", "gateway"]["spec"]
    origins = json.loads(variables(pods(stack)["gateway"])["CORS_ORIGINS"])
    for site in ("web", "admin"):
        port = stack["Service", site]["spec"]["ports"][0]["port"]
        assert f"http://127.0.0.1:{port}" in origins
        assert variables(pods(stack)[site])["GATEWAY_ADDRESS"] == f"127.0.0.1:{gateway['ports'][0]['port']}"


def test_mail_goes_to_the_mailbox_by_a_name_of_its_own(stack: Objects) -> None:
    service, pod = stack["Service", "smtp"]["spec"], pods(stack)["mailbox"]
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    assert variables(pod)["SMTP_PORT"] == "1025"
    assert {"name": "smtp", "containerPort": 1025} in pod["spec"]["containers"][0]["ports"]
    assert base64.b64decode(stack["Secret", "stores"]["data"]["SMTP_URL"]) == b"smtp://smtp:1025"
    # A second port of the mailbox's own Service would be open on every node.
    assert [port["port"] for port in stack["Service", "mailbox"]["spec"]["ports"]] == [8086]


def test_a_mail_server_of_ones_own_replaces_the_mailbox(render: Render) -> None:
    objects = render("--set=stores.smtp.url=smtp://mail.example.com:587")
    assert not [key for key in objects if key[1] in ("mailbox", "smtp")]


def test_the_broker_is_found_again_where_it_says_that_it_is(stack: Objects) -> None:
    broker, data = pods(stack)["kafka"], stack["StatefulSet", "kafka"]["spec"]["volumeClaimTemplates"][0]
    settings = variables(broker)
    service = stack["Service", "kafka"]["spec"]
    assert settings["KAFKA_ADVERTISED_LISTENERS"] == f"CLIENTS://kafka:{service['ports'][0]['port']}"
    assert service["clusterIP"] == "None"
    mounts = {mount["name"]: mount["mountPath"] for mount in broker["spec"]["containers"][0]["volumeMounts"]}
    assert settings["KAFKA_LOG_DIRS"].startswith(f"{mounts[data['metadata']['name']]}/")
    assert {"/opt/kafka/config", "/opt/kafka/logs"} <= set(mounts.values())
    # Whatever else is in the namespace, no variable of it is one of the broker's.
    assert broker["spec"]["enableServiceLinks"] is False


def test_a_password_in_a_stores_address_is_in_a_secret_only(render: Render) -> None:
    objects = render(*PROFILES["own-stores"])
    assert not [key for key in objects if key[0] == "StatefulSet"]
    broker = base64.b64decode(objects["Secret", "stores"]["data"]["KAFKA_URL"]).decode()
    assert broker.endswith("@one.example.com:9093,two.example.com:9094?security.protocol=SASL_SSL&sasl.mechanism=PLAIN")
    assert "secret@" not in json.dumps([document for key, document in objects.items() if key[0] != "Secret"])
    assert secret_files(pods(objects)["payment"])["MONGODB_URL"] == "stores"


def test_services_read_secrets_from_files_alone(stack: Objects) -> None:
    for name, service in values.load().services.items():
        pod = pods(stack)[name]
        assert not [entry for entry in variables(pod).values() if isinstance(entry, dict)]
        assert set(service.secrets) <= secret_files(pod).keys()
        mount = {"name": "secrets", "mountPath": variables(pod)["SECRETS_DIR"], "readOnly": True}
        assert mount in pod["spec"]["containers"][0]["volumeMounts"]


def decoded(objects: Objects, secret: str) -> dict[str, str]:
    """What is in a Secret."""
    return {key: base64.b64decode(value).decode() for key, value in objects["Secret", secret]["data"].items()}


def test_every_store_asks_for_a_password_that_is_in_secrets_only(stack: Objects) -> None:
    urls, access = decoded(stack, "stores"), decoded(stack, "store-access")
    passwords = {store: access[f"{store}.password"] for store in ("redis", "mongodb", "kafka")}
    for store, password in passwords.items():
        assert urlsplit(urls[f"{store.upper()}_URL"]).netloc.startswith(f"reelback:{password}@{store}:")
    assert len(set(passwords.values())) == 3
    assert hashlib.sha256(passwords["redis"].encode()).hexdigest() in access["redis.acl"]
    assert access["redis.acl"].startswith("user default off\n")
    assert f'user_reelback="{passwords["kafka"]}"' in access["kafka.jaas"]
    assert urls["KAFKA_URL"].endswith("?security.protocol=SASL_PLAINTEXT&sasl.mechanism=PLAIN")
    settings = variables(pods(stack)["mongodb"])
    assert settings["MONGO_INITDB_ROOT_PASSWORD_FILE"] == "/run/access/mongodb.password"
    elsewhere = json.dumps([document for (kind, _), document in stack.items() if kind != "Secret"])
    assert not [password for password in passwords.values() if password in elsewhere]


def refers(pod: Object) -> set[str]:
    """The Secrets that a pod's variables and volumes are taken from."""
    container = pod["spec"]["containers"][0]
    taken = [entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") for entry in container.get("env", [])]
    mounted = [volume.get("secret", {}).get("secretName") for volume in pod["spec"].get("volumes", [])]
    return {name for name in (*taken, *mounted, *secret_files(pod).values()) if name}


def checksums(objects: Objects) -> dict[str, str | None]:
    return {name: pod["metadata"].get("annotations", {}).get("checksum/secrets") for name, pod in pods(objects).items()}


@pytest.mark.parametrize("profile", ["default", "sentry"])
def test_pods_are_replaced_when_their_secrets_are_others(render: Render, profile: str) -> None:
    """Without a cluster each rendering draws secrets of its own."""
    first, second = render(*PROFILES[profile]), render(*PROFILES[profile])
    changed = {name for (kind, name), document in first.items() if kind == "Secret" and document != second[kind, name]}
    assert len(changed) > 2
    before, after = checksums(first), checksums(second)
    assert {name for name in before if before[name] != after[name]} == {
        name for name, pod in pods(first).items() if refers(pod) & changed
    }


def test_pods_of_one_secret_have_one_checksum(stack: Objects) -> None:
    """The checksum is of what is installed: it would differ if a pod's had been drawn apart."""
    key = stack["Secret", "store-access"]["data"]["redis.password"]
    assert checksums(stack)["redis"] == hashlib.sha256(key.encode()).hexdigest()


def test_mongodb_may_do_without_a_password(render: Render) -> None:
    objects = render("--set=stores.mongodb.auth=false")
    assert decoded(objects, "stores")["MONGODB_URL"] == "mongodb://mongodb:27017"
    container = pods(objects)["mongodb"]["spec"]["containers"][0]
    assert "env" not in container
    assert "access" not in {mount["name"] for mount in container["volumeMounts"]}


def test_the_images_of_a_registry(render: Render) -> None:
    objects = render(*PROFILES["own-images"])
    images = {name: pod["spec"]["containers"][0]["image"] for name, pod in pods(objects).items()}
    assert images["payment"] == "registry.example.com/reelback/payment:v2"
    assert images["load"] == "registry.example.com/reelback/loadgen:v2"
    assert pods(objects)["load"]["spec"]["imagePullSecrets"] == [{"name": "pull"}]


def test_the_players_wait_for_the_operator(stack: Objects) -> None:
    load = stack["CronJob", "load"]["spec"]
    assert load["suspend"] is True
    assert {"GATEWAY_URL", "LOAD_RPS"} <= set(variables(pods(stack)["load"]))


def memory(container: Object) -> int:
    """Bytes that a container requests."""
    text = container["resources"]["requests"]["memory"]
    return int(text[:-2]) * UNITS[text[-2:]]


def test_the_whole_stack_requests_at_most_two_gibibytes(stack: Objects) -> None:
    operator = yaml.safe_load((CHART.parent / "reelback-operator" / "values.yaml").read_text())
    containers = [container for pod in pods(stack).values() for container in pod["spec"]["containers"]]
    candidate = stack["Deployment", "payment"]["spec"]["template"]["spec"]["containers"][0]
    assert sum(map(memory, [*containers, candidate, operator])) <= 2 * 2**30
