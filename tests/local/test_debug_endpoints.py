"""Every debug endpoint through the gateway: what is answered, and the event that it leaves in Sentry."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest
from reelback_common.debug_endpoints import ENDPOINTS, Endpoint

from tests.local.stack import TESTER, Player, Stack, until

OVER_KAFKA = "poison-message"


PAUSE = 0.55
"""Two a second may be asked for."""


@pytest.fixture(scope="module")
def answers(stack: Stack, tester: Player) -> dict[str, tuple[int, str]]:
    """What was answered to a call of each endpoint, and its trace: all are called before the first event is waited for,
    those that end a process last."""
    found = {}
    for endpoint in sorted(ENDPOINTS.values(), key=lambda it: it.status == 503):
        found[endpoint.path] = tester.traced("POST", endpoint.path.lstrip("/"))
        time.sleep(PAUSE)
    for service in {endpoint.service for endpoint in ENDPOINTS.values()}:
        serving(stack, service)
    return found


def event_of(stack: Stack, endpoint: Endpoint, trace: str) -> dict[str, Any]:
    """The event that a call left; its issue's latest, whole."""

    def found() -> dict[str, Any] | None:
        rows = stack.sentry(
            "events/",
            dataset="errors",
            field=["issue.id", "title", "release", "trace"],
            query=f"trace:{trace}",
            statsPeriod="1h",
        )["data"]
        of_service = [row for row in rows if row["release"].partition("@")[0] == endpoint.service]
        return next((row for row in of_service if row["title"].startswith(endpoint.event)), None)

    row = until(found, f"an event {endpoint.event!r} of {endpoint.service}", 20)
    event: dict[str, Any] = stack.sentry(f"issues/{row['issue.id']}/events/latest/")
    return event


def serving(stack: Stack, service: str) -> None:
    until(lambda: (p := stack.processes().get(service)) and p.state == "ready", f"{service} serves", 60)


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda it: f"{it.service}/{it.name}")
def test_an_endpoint_leaves_an_event_that_says_enough(
    stack: Stack, tester: Player, answers: dict[str, tuple[int, str]], endpoint: Endpoint
) -> None:
    status, trace = answers[endpoint.path]
    assert status == endpoint.status

    event = event_of(stack, endpoint, trace)

    state = event["contexts"]["runtime_state"]
    assert state["memory_mb"] > 20
    assert state["threads"] > 1
    assert state["cpu_seconds"] > 0
    assert {"python", "grpcio", "sentry-sdk"} <= state["versions"].keys()
    assert event["user"] == {"id": tester.player_id}
    crumbs = event["entries"][1]["data"]["values"]
    if endpoint.name == OVER_KAFKA:
        return
    assert any(crumb["category"] == "debug" and endpoint.name in crumb["message"] for crumb in crumbs)
    operation = f"debug {endpoint.service}/{endpoint.name}"
    assert {"key": "business.operation", "value": operation} in event["tags"]
    kind = event["title"].partition(":")[0]
    wanted = {
        "memory leak": ["debug", endpoint.service, "memory leak"],
        "memory spike": ["debug", endpoint.service, "memory spike"],
        "slow query": ["debug", endpoint.service, "slow query"],
        "security event guessed-session": ["security", "guessed-session"],
    }
    assert event["fingerprints"] == wanted.get(kind, ["{{ default }}", operation, kind, ""])

    def begins_at_the_gateway() -> bool:
        roots = [root["additional_attributes"] for root in stack.sentry(f"trace/{trace}/") if "children" in root]
        return [root["service.name"] for root in roots] == ["gateway"]

    until(begins_at_the_gateway, "one trace from the gateway on")


@pytest.mark.parametrize(
    ("service", "name", "function"),
    [("game", "infinite-loop", "_loop_without_end"), ("payment", "event-loop-block", "_block_event_loop")],
)
def test_what_blocks_an_event_loop_is_named(
    stack: Stack, answers: dict[str, tuple[int, str]], service: str, name: str, function: str
) -> None:
    endpoint = ENDPOINTS[service, name]
    event = event_of(stack, endpoint, answers[endpoint.path][1])
    (blocked,) = event["entries"][0]["data"]["values"]
    assert blocked["stacktrace"]["frames"][-1]["function"] == function


def test_a_crash_ends_the_process_and_it_comes_back(stack: Stack, tester: Player) -> None:
    serving(stack, "game")
    before = stack.processes()["game"]
    time.sleep(PAUSE)
    assert tester.traced("POST", "game/debug/crash")[0] == 503
    until(lambda: stack.processes()["game"].pid != before.pid, "another process")
    serving(stack, "game")
    tester.deposit(100)
    until(lambda: tester.spin()[0] == 201, "it plays again")


def test_a_leak_is_bounded_and_can_be_taken_back(stack: Stack, tester: Player) -> None:
    def ask(method: str, **amount: float) -> int:
        time.sleep(PAUSE)
        return tester.traced(method, "payment/debug/memory-leak", **amount)[0]

    assert [ask("POST", amount=40) for _ in range(3)].count(409) >= 1
    assert ask("DELETE") == 200
    assert ask("POST", amount=40) == 201
    assert ask("DELETE") == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("game/debug/memory-leak", {"amount": 10_000}, 422),
        ("game/debug/infinite-loop", {"amount": 3600}, 422),
        ("game/debug/infinite-loop", {"amount": -1}, 422),
        ("game/debug/infinite-loop", {"amount": "long"}, 422),
        ("game/debug/crash", {"amount": 1}, 422),
        ("game/debug/crash", {"how": "hard"}, 422),
        ("game/debug/nothing", {}, 404),
        ("gateway/debug/crash", {}, 404),
    ],
)
def test_what_is_not_there_or_too_much_is_refused(
    stack: Stack, tester: Player, path: str, body: dict[str, Any], status: int
) -> None:
    time.sleep(PAUSE)
    assert tester.traced("POST", path, **body)[0] == status


def test_only_testers_may_and_not_too_often(stack: Stack, player: Player, tester: Player) -> None:
    path = "game/debug/error/value"
    assert httpx2.post(f"{stack.url('gateway')}/api/v1/{path}", timeout=10).status_code == 401
    assert player.traced("POST", path)[0] == 403
    answers = [tester.traced("POST", path)[0] for _ in range(40)]
    assert set(answers) == {500, 429}
    assert answers.count(500) < 20


def test_the_role_is_for_a_verified_address(stack: Stack, tester: Player) -> None:
    assert tester.email == TESTER
    taken = httpx2.post(
        f"{stack.url('gateway')}/api/v1/users",
        json={"email": TESTER, "password": "another password", "display_name": "Eve"},
        timeout=10,
    )
    assert taken.status_code == 409


def test_what_blocks_an_event_loop_is_in_the_profile(stack: Stack, tester: Player) -> None:
    endpoint = ENDPOINTS["game", "infinite-loop"]
    serving(stack, "game")
    time.sleep(PAUSE)
    assert tester.traced("POST", endpoint.path.lstrip("/"), amount=3)[0] == 201
    took = "sum(function.self_time)"

    def found() -> float:
        rows = stack.sentry(
            "events/",
            dataset="profile_functions",
            field=["package", took],
            query='release:"game@*" function:_loop_without_end',
            statsPeriod="10m",
        )["data"]
        nanoseconds: int = sum(row[took] for row in rows if row["package"] == "reelback_common.debugging")
        return nanoseconds / 1e9

    until(lambda: found() > 2, "a profile with the function", 60)
