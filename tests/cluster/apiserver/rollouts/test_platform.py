"""The Kubernetes platform on Deployments that really roll out, with exactly the rights of the operator's chart."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from reelback_operator.engine.model.workload import Change, Workload
from reelback_operator.platforms.base import PlatformError

from tests.cluster.apiserver.rollouts.conftest import Platforms
from tests.cluster.apiserver.rollouts.team import (
    PAYMENT,
    Object,
    create,
    deployment,
    look,
    serve,
    serves,
    serving,
    until,
    written,
)
from tests.cluster.apiserver.server import Cluster

NEW = Change("payment@1.5.0")


def candidate_serves(found: Workload) -> bool:
    return found.candidate is not None and found.candidate.ready == found.candidate.desired > 0


def candidate_ails(found: Workload) -> object:
    return found.candidate and found.candidate.problem


async def test_a_candidate_comes_beside_the_target_and_goes_again(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    before = await serve(cluster, mine, deployment(replicas=2))
    assert (before.stable.release, before.obstacle, before.candidate) == ("payment@1.4.0", "", None)
    await mine.set_candidate(PAYMENT, NEW, 1)
    found = await until(mine, "the candidate serves", candidate_serves)
    assert found.candidate
    assert (found.candidate.release, found.candidate.owner, found.candidate.problem) == ("payment@1.5.0", "trial", None)
    assert found.candidate.template.digest == before.stable.template.changed(NEW).digest
    assert (found.stable.ready, found.settled) == (2, True), "its pods are not the target's"
    uid = cluster.get("deployment", "payment-candidate")["metadata"]["uid"]
    await mine.set_candidate(PAYMENT, NEW, 1)
    assert cluster.get("deployment", "payment-candidate")["metadata"]["uid"] == uid
    assert cluster.get("deployment", "payment-candidate")["metadata"]["generation"] == 1, "asked twice, done once"
    await mine.remove_candidate(PAYMENT)
    await until(mine, "the candidate has gone", lambda found: found.candidate is None)
    assert cluster.get("deployment", "payment-candidate") is None


async def test_a_candidate_of_another_template_is_replaced(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    before = await serve(cluster, mine, deployment())
    await mine.set_candidate(PAYMENT, Change("payment@1.5.0", image="pay:works-0"), 1)
    await until(mine, "the first candidate serves", candidate_serves)
    other = Change("payment@1.5.0", image="pay:works-1")
    await mine.set_candidate(PAYMENT, other, 1)
    wanted = before.stable.template.changed(other).digest
    await until(
        mine,
        "the pods of the second serve",
        lambda found: candidate_serves(found) and found.candidate and found.candidate.template.digest == wanted,
    )


async def test_the_same_version_with_another_image_is_seen_to_be_another_template(
    cluster: Cluster, platform: Platforms
) -> None:
    mine = platform()
    before = await serve(cluster, mine, deployment())
    await mine.set_stable(PAYMENT, Change("payment@1.5.0", image="pay:works-1"))
    promoted = before.stable.template.changed(Change("payment@1.5.0", image="pay:works-1")).digest
    found = await until(mine, "it serves", serves)
    assert found.stable.template.digest == promoted
    cluster.kubectl("set", "image", "deployment/payment", "payment=pay:works-2", "--field-manager=kubectl-person")
    found = await look(mine)
    assert (found.stable.release, found.stable.template.digest == promoted) == ("payment@1.5.0", False)
    assert found.writer == "kubectl-person"


@pytest.mark.parametrize("image", ["pay:crashes-3", "pay:loops-3"])
async def test_a_candidate_that_served_and_crashed_says_its_last_words(
    cluster: Cluster, platform: Platforms, image: str
) -> None:
    mine = platform()
    await serve(cluster, mine, deployment())
    await mine.set_candidate(PAYMENT, Change("payment@1.5.0", image=image), 1)
    found = await until(mine, "the candidate serves", candidate_serves)
    assert found.candidate
    assert found.candidate.problem is None
    ailing = await until(mine, "the crash is told", candidate_ails)
    assert ailing.candidate
    assert "payment ended with exit code 1" in str(ailing.candidate.problem)
    assert str(ailing.candidate.problem).endswith("starting panic: no route to the acquirer at charge")
    assert ailing.stable.problem is None
    if image == "pay:crashes-3":
        again = await until(mine, "it serves again", candidate_serves)
        assert again.candidate
        assert "exit code 1" in str(again.candidate.problem), "it is up again, and has crashed all the same"


@pytest.mark.parametrize(
    ("image", "problem"),
    [("pay:absent", "ImagePullBackOff"), ("pay:huge", "is unschedulable"), ("pay:sickens-2", "is not ready any more")],
)
async def test_a_candidate_that_cannot_serve_has_a_problem(
    cluster: Cluster, platform: Platforms, image: str, problem: str
) -> None:
    mine = platform()
    await serve(cluster, mine, deployment())
    await mine.set_candidate(PAYMENT, Change("payment@1.5.0", image=image), 1)
    ailing = await until(mine, "the problem is told", candidate_ails)
    assert ailing.candidate
    assert problem in str(ailing.candidate.problem)


async def test_starting_slowly_is_no_problem(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    await serve(cluster, mine, deployment())
    await mine.set_candidate(PAYMENT, Change("payment@1.5.0", image="pay:works-7"), 1)
    problems = set()

    def served(found: Workload) -> bool:
        problems.add(found.candidate and found.candidate.problem)
        return candidate_serves(found)

    await until(mine, "it serves", served)
    assert problems == {None}


async def test_min_ready_seconds_are_waited_for(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    found = await serve(cluster, mine, deployment(replicas=3, minReadySeconds=3, progressDeadlineSeconds=200))
    assert found.patience > 200
    await mine.set_stable(PAYMENT, NEW)
    seen = []

    def done(found: Workload) -> bool:
        seen.append((found.stable.ready, found.settled))
        assert found.stable.problem is None
        return found.settled and found.stable.ready == 3

    begun = time.monotonic()
    await until(mine, "three pods, one after the other", done)
    assert time.monotonic() - begun >= 6, "each takes three seconds"
    assert len({ready for ready, _ in seen}) > 2, "what moves is seen"


async def test_a_pod_that_takes_its_time_to_end_is_seen_going(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    found = await serve(cluster, mine, deployment("pay:lingers-6", terminationGracePeriodSeconds=700))
    assert found.patience > 700
    await mine.set_stable(PAYMENT, Change("payment@1.5.0", image="pay:works"))
    await until(mine, "the new pod serves", lambda found: found.stable.ready == 1)
    assert not (await look(mine)).settled, "the old one still serves what it has"
    await until(mine, "the old pod has gone", lambda found: found.settled)


async def test_what_cannot_be_changed_is_named_at_once(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    create(cluster, deployment(paused=True))
    assert (await look(mine)).obstacle == "is paused"
    cluster.kubectl("delete", "deployment", "payment")
    create(cluster, deployment(revisionHistoryLimit=0))
    assert "revisionHistoryLimit: 0" in (await look(mine)).obstacle
    cluster.kubectl("delete", "deployment", "payment")
    create(cluster, deployment(replicas=0))
    assert (await look(mine)).obstacle == "is scaled to zero"
    cluster.kubectl("delete", "deployment", "payment")
    assert await mine.observe([PAYMENT]) == {"payment": None}
    stateful = deployment()
    create(cluster, {**stateful, "kind": "StatefulSet", "spec": {**stateful["spec"], "serviceName": "payment"}})
    assert (await look(mine)).obstacle == "is a StatefulSet, not a Deployment"


async def test_sidecars_and_others_with_its_labels_do_not_count(cluster: Cluster, platform: Platforms) -> None:
    proxy = {"name": "proxy", "image": "mesh:1", "env": [{"name": "SENTRY_RELEASE", "value": "mesh@9"}]}
    containers = serving([{"name": "SENTRY_RELEASE", "value": "payment@1.4.0"}], proxy)
    mine = platform()
    found = await serve(cluster, mine, deployment(containers=containers))
    assert found.stable.release == "payment@1.4.0"
    migration = {"metadata": {"name": "migration", "labels": {"app": "payment"}}, "spec": {"containers": containers}}
    create(cluster, {"apiVersion": "v1", "kind": "Pod", **migration})
    await mine.set_candidate(PAYMENT, NEW, 1)
    found = await until(mine, "the candidate serves", candidate_serves)
    assert (found.settled, found.stable.ready, found.stable.desired) == (True, 1, 1)
    made = cluster.get("deployment", "payment-candidate")["spec"]["template"]["spec"]["containers"]
    assert [each["env"][0]["value"] for each in made] == ["mesh@9", "payment@1.5.0"]


async def test_what_it_was_like_before_need_not_be_understood(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    proxy, other = {"name": "proxy", "image": "mesh:1"}, {"name": "main", "image": "pay:works"}
    create(cluster, deployment(containers=[proxy, other]))
    assert "none is named like it" in (await look(mine)).obstacle
    done = cluster.kubectl("replace", "-f", "-", stdin=deployment())
    assert done.returncode == 0, done.stderr
    found = await until(mine, "it serves", serves)
    assert (found.obstacle, found.stable.release) == ("", "payment@1.4.0")


async def test_what_the_cluster_puts_into_pods_does_not_count(cluster: Cluster, platform: Platforms) -> None:
    kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
    put = (
        'JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{name: "mesh", image: "mesh:1"}}'
    )
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{put}]"}}],
    }
    cluster.apply({**kind, "kind": "MutatingAdmissionPolicy", "metadata": {"name": "mesh"}, "spec": spec})
    binding = {**kind, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "mesh"}}
    cluster.apply({**binding, "spec": {"policyName": "mesh"}})
    mine = platform()
    try:
        create(cluster, deployment())

        def injected() -> bool:
            cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
            time.sleep(1)
            pods = cluster.get("pods")["items"]
            return bool(pods) and pods[0]["spec"]["containers"][0]["name"] == "mesh"

        end = time.monotonic() + 20
        while not await asyncio.to_thread(injected):
            assert time.monotonic() < end, "the policy is not in force"
        found = await until(mine, "it serves", serves)
        assert found.stable.release == "payment@1.4.0"
    finally:
        cluster.kubectl("delete", "mutatingadmissionpolicybindings,mutatingadmissionpolicies", "mesh")


RELEASE = {"SENTRY_RELEASE": "payment@1.4.0", "VERSION": "1.4.0"}


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "SENTRY_RELEASE", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "SENTRY_RELEASE"}}}]},
        {"envFrom": [{"configMapRef": {"name": "m"}}]},
        {
            "envFrom": [{"configMapRef": {"name": "m"}}],
            "env": [{"name": "SENTRY_RELEASE", "value": "payment@$(VERSION)"}],
        },
    ],
    ids=["a key of a ConfigMap", "all of a ConfigMap", "put together"],
)
async def test_a_release_is_read_where_the_container_gets_it(
    cluster: Cluster, platform: Platforms, container: Object
) -> None:
    create(cluster, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": RELEASE})
    mine = platform()
    document = deployment(containers=[{"name": "payment", "image": "pay:works", **container}])
    before = await serve(cluster, mine, document)
    assert (before.stable.release, before.obstacle) == ("payment@1.4.0", "")
    await mine.set_candidate(PAYMENT, NEW, 1)
    found = await until(mine, "the candidate serves", candidate_serves)
    assert found.candidate
    assert found.candidate.release == "payment@1.5.0"
    assert found.candidate.template.digest == before.stable.template.changed(NEW).digest

    # Replaced and rolled back, what was a reference is a reference again.
    await mine.set_stable(PAYMENT, NEW)
    assert (await look(mine)).stable.release == "payment@1.5.0"
    old = before.stable.template
    await mine.put_back(PAYMENT, old.digest, ["SENTRY_RELEASE"], image=False)
    assert written(cluster).get("env") == container.get("env")
    assert (await look(mine)).stable.template == old


async def test_what_others_changed_meanwhile_is_not_put_back(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    variables = [{"name": "SENTRY_RELEASE", "value": "payment@1.4.0"}, {"name": "COLOUR", "value": "blue"}]
    before = await serve(cluster, mine, deployment(containers=serving(variables)))
    await mine.set_stable(PAYMENT, Change("payment@1.5.0", image="pay:works-1", env={"COLOUR": "red", "NEW": "1"}))
    cluster.kubectl("set", "env", "deployment/payment", "THEIRS=yes")
    await mine.put_back(PAYMENT, before.stable.template.digest, ["SENTRY_RELEASE", "COLOUR", "NEW"], image=True)
    found = (await look(mine)).stable.template
    assert (found.image, found.env) == (before.stable.template.image, {**before.stable.template.env, "THEIRS": "yes"})
    with pytest.raises(PlatformError, match="no ReplicaSet with its template from before the run"):
        await mine.put_back(PAYMENT, "another digest", ["SENTRY_RELEASE"], image=True)


async def test_a_release_in_a_secret_is_refused_by_name(cluster: Cluster, platform: Platforms) -> None:
    mine = platform()
    reference = {"secretKeyRef": {"name": "s", "key": "release"}}
    create(cluster, deployment(containers=serving([{"name": "SENTRY_RELEASE", "valueFrom": reference}])))
    obstacle = (await look(mine)).obstacle
    assert "SENTRY_RELEASE" in obstacle
    assert "targets[].releaseFrom" in obstacle


async def test_what_kubectl_create_takes_is_taken(cluster: Cluster, platform: Platforms) -> None:
    variables = [
        {"name": "MODE", "value": "a"},
        {"name": "SENTRY_RELEASE", "value": "payment@1.3.0"},
        {"name": "SENTRY_RELEASE", "value": "payment@1.4.0"},
        {"name": "MODE", "value": "b"},
    ]
    ports = [{"name": "http", "containerPort": 80}, {"name": "metrics", "containerPort": 80}]
    aliases = [{"ip": "10.0.0.9", "hostnames": ["a"]}, {"ip": "10.0.0.9", "hostnames": ["b"]}]
    mine = platform()
    document = deployment(containers=serving(variables, ports=ports), hostAliases=aliases)
    before = await serve(cluster, mine, document)
    assert before.stable.release == "payment@1.4.0", "the last one counts"
    await mine.set_candidate(PAYMENT, NEW, 1)
    found = await until(mine, "the candidate serves", candidate_serves)
    assert found.candidate
    assert found.candidate.template.digest == before.stable.template.changed(NEW).digest
    made = written(cluster, "payment-candidate")
    assert [port["name"] for port in made["ports"]] == ["http", "metrics"]
    assert cluster.get("deployment", "payment-candidate")["spec"]["template"]["spec"]["hostAliases"] == aliases
    await mine.set_stable(PAYMENT, NEW)
    assert written(cluster)["env"] == [variables[0], {"name": "SENTRY_RELEASE", "value": "payment@1.5.0"}, variables[3]]


async def test_the_teams_own_apply_does_not_conflict_with_what_was_done(cluster: Cluster, platform: Platforms) -> None:
    def applied(release: str) -> None:
        document = json.loads(json.dumps(deployment()).replace("payment@1.4.0", release))
        done = cluster.kubectl("apply", "--server-side", "--field-manager=team", "-f", "-", stdin=document)
        assert done.returncode == 0, done.stderr

    mine = platform()
    applied("payment@1.4.0")
    await until(mine, "it serves", serves)
    await mine.claim(PAYMENT)
    await mine.set_stable(PAYMENT, Change("payment@1.5.0", env={"NEW": "1"}))
    applied("payment@1.6.0")
    await mine.set_stable(PAYMENT, Change(env={"SENTRY_RELEASE": "payment@1.4.0", "NEW": None}))
    applied("payment@1.4.0")
    await mine.release(PAYMENT)
    managers = {
        each["manager"]
        for each in cluster.get("deployment", "payment", "--show-managed-fields")["metadata"]["managedFields"]
    }
    assert managers == {"team", "kube-controller-manager"}
    assert (await look(mine)).writer == "team"


async def test_two_scenarios_do_not_share_a_target(cluster: Cluster, platform: Platforms) -> None:
    mine, other = platform("trial"), platform("second")
    await serve(cluster, mine, deployment())
    await mine.claim(PAYMENT)
    await mine.claim(PAYMENT)
    with pytest.raises(PlatformError, match="payment takes part in a run of scenario trial"):
        await other.claim(PAYMENT)
    await mine.set_candidate(PAYMENT, NEW, 1)
    with pytest.raises(PlatformError, match="does not belong to this scenario"):
        await other.set_candidate(PAYMENT, Change("payment@1.6.0"), 1)
    await other.remove_candidate(PAYMENT)
    await other.release(PAYMENT)
    assert cluster.get("deployment", "payment-candidate"), "another's candidate is left alone"
    assert cluster.get("lease", "reelback-payment")["spec"]["holderIdentity"] == "trial"
    await mine.release(PAYMENT)
    await other.claim(PAYMENT)


async def test_a_claim_of_a_run_that_is_over_is_none(cluster: Cluster, platform: Platforms) -> None:
    mine, other = platform("trial"), platform("second")
    await mine.claim(PAYMENT)
    status = json.dumps({"status": {"phase": "Failed"}})
    cluster.kubectl("patch", "ssc", "trial", "--subresource=status", "--type=merge", "-p", status)
    await other.claim(PAYMENT)
    with pytest.raises(PlatformError, match="scenario second"):
        await platform("third").claim(PAYMENT)
    cluster.kubectl("delete", "ssc", "second")
    await platform("third").claim(PAYMENT)
