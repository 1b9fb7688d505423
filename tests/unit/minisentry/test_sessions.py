"""Sessions and their users: by release, project and status, in the hours they began in, as Sentry answers."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.minisentry.conftest import Server

HOUR = 3600


def update(server: Server, release: str, sid: str, started: float, project: str = "1", **fields: Any) -> None:
    attrs = {"release": release, "environment": "test"}
    server.sent(("session", {"sid": sid, "started": started, "attrs": attrs, **fields}), project=project)


def session(server: Server, release: str, sid: str, started: float, project: str = "1", **last: Any) -> None:
    """A session from its start to its end; `did` is its user."""
    user = {"did": last.pop("did")} if "did" in last else {}
    update(server, release, sid, started, project, init=True, status="ok", **user)
    update(server, release, sid, started, project, **{"status": "exited", **user, **last})


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def test_users_and_what_they_met(shared: Server, name: str) -> None:
    now = time.time()
    for n in range(4):
        session(shared, name, f"a{n}", now, did=f"user{n % 3}")  # one came twice
    session(shared, name, "b", now, did="user1", errors=1)
    session(shared, name, "c", now, did="user2", status="crashed")
    session(shared, name, "d", now)  # nobody knows whose
    other = name.replace("1.0.0", "2.0.0")
    session(shared, other, "e", now, "77", did="user0")
    fields = ["sum(session)", "count_unique(user)", "crash_free_rate(session)", "crash_free_rate(user)"]
    query = {"query": f'release:["{name}","{other}"]', "statsPeriod": "1h"}
    groups = shared.ask("/sessions/", field=fields, groupBy=["release", "project"], **query)["groups"]
    assert {(group["by"]["release"], group["by"]["project"]): list(group["totals"].values()) for group in groups} == {
        (name, 1): [7, 3, pytest.approx(6 / 7), pytest.approx(2 / 3)],
        (other, 77): [1, 1, 1.0, 1.0],
    }
    (both,) = shared.ask("/sessions/", field=fields, **query)["groups"]
    assert both["totals"]["count_unique(user)"] == 3  # user0 is in both
    by_status = shared.ask(
        "/sessions/", field=["sum(session)", "count_unique(user)"], groupBy="session.status", **query
    )["groups"]
    assert {group["by"]["session.status"]: list(group["totals"].values()) for group in by_status} == {
        "healthy": [6, 1],
        "errored": [1, 1],
        "crashed": [1, 1],
        "abnormal": [0, 0],
        "unhandled": [0, 0],
    }


def test_a_browsers_unhandled_error_is_no_crash(shared: Server, name: str) -> None:
    now = time.time()
    for n in range(4):
        session(shared, name, f"a{n}", now, did=f"user{n}")
    update(shared, name, "a0", now, did="user0", errors=1, status="unhandled")
    attrs = {"release": name, "environment": "test"}
    shared.sent(("sessions", {"attrs": attrs, "aggregates": [{"started": now, "exited": 3, "unhandled": 1}]}))
    query = {"query": f"release:{name}", "statsPeriod": "1h"}
    fields = ["crash_free_rate(session)", "unhandled_rate(session)", "errored_rate(session)", "unhandled_rate(user)"]
    (group,) = shared.ask("/sessions/", field=fields, **query)["groups"]
    assert list(group["totals"].values()) == [1.0, 0.25, 0.0, 0.25]
    by_status = shared.ask("/sessions/", field="sum(session)", groupBy="session.status", **query)["groups"]
    found = {group["by"]["session.status"]: group["totals"]["sum(session)"] for group in by_status}
    assert found == {"healthy": 6, "errored": 0, "crashed": 0, "abnormal": 0, "unhandled": 2}


def test_a_window_of_seconds_is_answered_for_whole_hours(shared: Server, name: str) -> None:
    hour = int(time.time()) // HOUR * HOUR
    session(shared, name, "before", hour - 1)
    session(shared, name, "after", hour)
    rate = "crash_free_rate(session)"

    def ask(start: float, end: float, **more: str) -> Any:
        window = {"start": iso(start), "end": iso(end)}
        query = {"field": ["sum(session)", rate], "query": f"release:{name}", **window, **more}
        return shared.ask("/sessions/", **query)

    answer = ask(hour - 1, hour + 1)
    assert (answer["start"], answer["end"]) == (iso(hour - HOUR), iso(hour + HOUR))
    assert answer["intervals"] == [iso(hour - HOUR), iso(hour)]
    assert answer["groups"][0]["series"] == {"sum(session)": [1, 1], rate: [1.0, 1.0]}
    for start, end, found in ((hour, hour + 1, 1), (hour - 2, hour, 1), (hour - 2, hour - 1, 1)):
        assert ask(start, end)["groups"][0]["totals"]["sum(session)"] == found
    day = ask(hour - 1, hour + 1, interval="1d")
    assert len(day["intervals"]) == (1 if hour % 86_400 else 2)
    assert day["groups"][0]["totals"]["sum(session)"] == 2


def test_no_sessions_have_no_rate(shared: Server, name: str) -> None:
    fields = ["sum(session)", "count_unique(user)", "crash_free_rate(session)", "crash_free_rate(user)"]
    query = {"field": fields, "query": f"release:{name}", "statsPeriod": "1h"}
    assert shared.ask("/sessions/", **query, groupBy="release")["groups"] == []
    (nothing,) = shared.ask("/sessions/", **query)["groups"]
    assert nothing["totals"] == dict(zip(fields, (0, 0, None, None), strict=True))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"interval": "30m"}, "interval"),
        ({"interval": "90m"}, "interval"),
        ({"interval": "5h"}, "interval"),
        ({"interval": "2d"}, "interval"),
        ({"query": "release:payment@*"}, "wildcard"),
        ({"query": "release:[payment@*,game@1]"}, "wildcard"),
        ({"field": "crash_free_rate(session)", "groupBy": "session.status"}, "session.status"),
        ({"field": "p95(session.duration)"}, "p95"),
    ],
)
def test_what_sentry_refuses(shared: Server, query: dict[str, str], says: str) -> None:
    refused = shared.call("GET", "/sessions/", params={"field": "sum(session)", "statsPeriod": "1h"} | query)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]
