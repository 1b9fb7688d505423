"""Sentry's API, call by call: statuses, shapes, filters, and what it says about what it does not know."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from reelback_minisentry.issues.commits import MAX_COMMITS, MAX_MESSAGE

from tests.unit.minisentry.conftest import ORG, TOKEN, Server
from tests.unit.minisentry.payloads import (
    CONSUMER,
    FAILED,
    PRODUCER,
    REMOTE,
    error,
    otlp,
    otlp_span,
    span_id,
    text,
    trace_id,
    transaction,
)

SPAN_FIELDS = ["release", "count()", "failure_rate()", "p95(span.duration)"]


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rows(server: Server, dataset: str, fields: list[str], query: str, **more: Any) -> list[dict[str, Any]]:
    period = {} if "start" in more else {"statsPeriod": "1h"}
    found: list[dict[str, Any]] = server.ask("/events/", dataset=dataset, field=fields, query=query, **period, **more)[
        "data"
    ]
    return found


def test_tokens(shared: Server) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
    ):
        refused = shared.http.get(ORG + "/releases/", headers=headers)
        assert refused.status_code == 401
        assert refused.json()["detail"]


def test_releases_and_deploys(shared: Server, name: str) -> None:
    body = {"version": name, "projects": ["reelback"], "ref": "abc", "url": "http://ci/1"}
    made = shared.call("POST", "/releases/", json=body)
    again = shared.call("POST", "/releases/", json=body)
    assert (made.status_code, again.status_code) == (201, 208)
    release = made.json()
    assert (release["version"], release["ref"], release["url"]) == (name, "abc", "http://ci/1")
    assert (
        release["versionInfo"]["version"].items()
        >= {"raw": "1.0.0", "major": 1, "minor": 0, "patch": 0, "pre": None}.items()
    )
    assert (release["projects"][0]["slug"], release["deployCount"], release["lastDeploy"]) == ("reelback", 0, None)

    changed = shared.call("PUT", f"/releases/{name}/", json={"dateReleased": "2026-01-02T03:04:05Z"})
    assert changed.status_code == 200
    assert changed.json()["dateReleased"] == "2026-01-02T03:04:05Z"
    assert changed.json()["ref"] == "abc"

    path = f"/releases/{name.replace('@', '%40')}/deploys/"
    first = shared.call("POST", path, json={"environment": "test", "dateFinished": "2026-01-02T03:04:05Z"})
    last = shared.call("POST", path, json={"environment": "live", "name": "rollback from a@2", "url": "http://x/y"})
    assert first.status_code == last.status_code == 201
    assert first.json()["dateFinished"] == "2026-01-02T03:04:05.000Z"
    assert last.json()["name"] == "rollback from a@2"
    assert set(last.json()) == {"id", "environment", "dateStarted", "dateFinished", "name", "url"}
    assert datetime.fromisoformat(last.json()["dateFinished"]).timestamp() == pytest.approx(time.time(), abs=60)
    assert shared.ask(path) == [last.json(), first.json()]

    release = shared.ask(f"/releases/{name}/")
    assert (release["deployCount"], release["lastDeploy"]) == (2, last.json())
    assert shared.ask("/releases/", query=name, environment="live") == [release]
    assert shared.ask("/releases/", query=name, environment="other") == []


def commit(number: int = 1, **more: Any) -> dict[str, Any]:
    files = [{"path": "services/payment/src/payment/rules.py", "type": "M"}]
    return {
        "id": f"{number:040x}",
        "message": "Round bets",
        "author_name": "Ada",
        "author_email": "ada@team.example",
        "timestamp": "2026-01-02T03:04:05Z",
        "repository": "team/payment",
        "patch_set": files,
        **more,
    }


def test_the_commits_of_a_release(shared: Server, name: str) -> None:
    body = {"version": name, "projects": ["reelback"], "commits": [commit(1), commit(2, author_name=None)]}
    made = shared.call("POST", "/releases/", json=body).json()
    first, second = shared.ask(f"/releases/{name}/commits/")
    assert (first["id"], first["message"], first["dateCreated"]) == (f"{1:040x}", "Round bets", "2026-01-02T03:04:05Z")
    assert first["author"] == {"name": "Ada", "email": "ada@team.example"}
    assert first["repository"]["name"] == "team/payment"
    assert second["author"] == {"name": None, "email": "ada@team.example"}
    assert (made["commitCount"], made["lastCommit"]) == (2, first)
    assert [author["email"] for author in made["authors"]] == ["ada@team.example"]

    shared.call("POST", "/releases/", json={"version": name, "projects": ["reelback"]})
    assert shared.ask(f"/releases/{name}/")["commitCount"] == 2, "who says nothing of commits changes none"
    many = [commit(number, message="x" * 1000, patch_set=None, repository=None) for number in range(500)]
    shared.call("PUT", f"/releases/{name}/", json={"commits": many})
    kept = shared.ask(f"/releases/{name}/commits/")
    assert shared.ask(f"/releases/{name}/")["commitCount"] == 500
    assert [each["id"] for each in kept] == [each["id"] for each in many[:MAX_COMMITS]]
    assert all(len(each["message"]) == MAX_MESSAGE for each in kept)


def test_a_commit_without_a_time_is_of_now(shared: Server, name: str) -> None:
    bare = {"version": name, "projects": ["reelback"], "commits": [{"id": "abc"}]}
    shared.call("POST", "/releases/", json=bare)
    (found,) = shared.ask(f"/releases/{name}/commits/")
    assert datetime.fromisoformat(found["dateCreated"]).timestamp() == pytest.approx(time.time(), abs=60)
    assert (found["message"], found["repository"], found["author"]) == ("", None, {"name": None, "email": ""})


def test_a_release_comes_with_its_first_event(shared: Server, name: str) -> None:
    shared.sent(("event", error(name)))
    release = shared.ask(f"/releases/{name}/")
    assert release["firstEvent"] == release["lastEvent"] == release["dateCreated"]
    assert shared.call("POST", "/releases/", json={"version": name, "projects": ["a"]}).status_code == 208


def test_newest_release_first_and_pages(shared: Server, name: str) -> None:
    versions = [f"{name}-{n}" for n in range(3)]
    for version in versions:
        shared.call("POST", "/releases/", json={"version": version, "projects": ["a"]})
    page = shared.call("GET", "/releases/", params={"query": name, "per_page": 2})
    assert [release["version"] for release in page.json()] == versions[:0:-1]
    assert 'rel="next"; results="true"' in page.headers["link"]
    rest = shared.http.get(page.links["next"]["url"], headers={"Authorization": f"Bearer {TOKEN}"})
    assert [release["version"] for release in rest.json()] == versions[:1]
    assert 'rel="next"; results="false"' in rest.headers["link"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/releases/", {"projects": ["a"]}, "version"),
        ("/releases/", {"version": "a\nb", "projects": ["a"]}, "version"),
        ("/releases/", {"version": "a" * 201, "projects": ["a"]}, "version"),
        ("/releases/", {"version": "a"}, "projects"),
        ("/releases/", {"version": "a", "projects": []}, "projects"),
        ("/releases/", {"version": "a", "projects": ["a"], "dateReleased": "soon"}, "dateReleased"),
        ("/releases/", {"version": "a", "projects": ["a"], "commits": [{"message": "x"}]}, "commits"),
        ("/releases/", {"version": "a", "projects": ["a"], "commits": [commit(timestamp="soon")]}, "commits"),
        ("/releases/", {"version": "a", "projects": ["a"], "commits": [commit(patch_set=[{}])]}, "commits"),
        ("/releases/NAME/deploys/", {}, "environment"),
        ("/releases/NAME/deploys/", {"environment": "a", "name": "x" * 65}, "name"),
        ("/releases/NAME/deploys/", {"environment": "a", "url": "no url"}, "url"),
        ("/releases/NAME/deploys/", {"environment": "a", "dateFinished": 1}, "dateFinished"),
    ],
)
def test_bodies_are_refused_by_field(shared: Server, name: str, path: str, body: dict[str, Any], field: str) -> None:
    shared.call("POST", "/releases/", json={"version": name, "projects": ["a"]})
    refused = shared.call("POST", path.replace("NAME", name), json=body)
    assert refused.status_code == 400
    assert list(refused.json()) == [field]


def test_what_does_not_exist(shared: Server, name: str) -> None:
    for method, path in (
        ("GET", f"/releases/{name}/"),
        ("PUT", f"/releases/{name}/"),
        ("GET", f"/releases/{name}/commits/"),
        ("GET", f"/releases/{name}/deploys/"),
        ("POST", f"/releases/{name}/deploys/"),
        ("GET", "/issues/1/"),
        ("GET", "/issues/x/"),
        ("PUT", "/issues/1/"),
        ("GET", "/trace/x/"),
        ("GET", "/nothing/"),
    ):
        missing = shared.call(method, path, **({} if method == "GET" else {"json": {"environment": "a"}}))
        assert missing.status_code == 404, path
        assert missing.json()["detail"]
    assert shared.call("DELETE", "/releases/").status_code == 405


def test_spans_by_release(shared: Server, name: str) -> None:
    other = name.replace("1.0.0", "1.1.0")
    for milliseconds in range(1, 101):
        shared.sent(("transaction", transaction(name, milliseconds, "ok" if milliseconds > 25 else "internal_error")))
    shared.sent(("transaction", transaction(other, 7, "cancelled")))
    both = f"is_transaction:true release:[{name},{other}]"
    first, second = rows(shared, "spans", SPAN_FIELDS, both, environment="test", sort="-count")
    assert (first["release"], first["count()"], first["failure_rate()"]) == (name, 100, 0.25)
    assert first["p95(span.duration)"] == pytest.approx(95, rel=0.04)
    assert (second["release"], second["count()"], second["failure_rate()"]) == (other, 1, None)
    failures = rows(shared, "spans", ["release", "count()"], f"{both} !span.status:[ok,cancelled,unknown]")
    assert failures == [{"release": name, "count()": 25}]
    assert rows(shared, "spans", SPAN_FIELDS, both, environment="elsewhere") == []
    assert rows(shared, "spans", ["count()"], both, environment="elsewhere") == [{"count()": 0}]
    meta = shared.ask("/events/", dataset="spans", field=SPAN_FIELDS, query=both, statsPeriod="1h")["meta"]
    assert meta["fields"]["p95(span.duration)"] == "duration"
    assert meta["units"]["p95(span.duration)"] == "millisecond"


def test_other_groups_and_functions(shared: Server, name: str) -> None:
    post = shared.export(
        otlp(otlp_span(name, "A", status=FAILED), otlp_span(name, "B"), otlp_span(name, "C", parent_span_id=span_id())),
        project="5",
    )
    assert post.status_code == 200
    fields = ["transaction", "project", "span.status", "count()"]
    found = rows(shared, "spans", fields, f"release:{name} is_transaction:true", sort="transaction")
    assert [(row["transaction"], row["project"], row["span.status"]) for row in found] == [
        ("A", "5", "internal_error"),
        ("B", "5", "ok"),
    ]
    functions = ["count_unique(transaction)", "avg(span.duration)", "failure_count()", "epm()", "p50(span.duration)"]
    segments = f"release:{name} is_transaction:true"
    (row,) = rows(shared, "spans", functions, segments, project="5")
    assert (row["count_unique(transaction)"], row["failure_count()"]) == (2, 1)
    assert row["avg(span.duration)"] == row["p50(span.duration)"] == pytest.approx(20, rel=0.04)
    assert row["epm()"] == pytest.approx(2 / 60, rel=0.01)


def test_a_segment_counts_in_the_second_of_its_end(shared: Server, name: str) -> None:
    second = int(time.time()) - 10
    for end in (second, second + 0.999, second + 1):
        shared.sent(("transaction", transaction(name, 1) | {"start_timestamp": end - 5, "timestamp": end}))

    def count(start: int, end: int) -> int:
        found = rows(
            shared, "spans", ["count()"], f"is_transaction:true release:{name}", start=iso(start), end=iso(end)
        )
        return int(found[0]["count()"])

    assert [count(second + at, second + at + 1) for at in (-1, 0, 1, 2)] == [0, 2, 1, 0]
    assert count(second - 5, second + 5) == 3


def test_errors(shared: Server, name: str) -> None:
    trace, span = trace_id(), span_id()
    now = time.time()
    context = {"trace": {"trace_id": trace, "span_id": span}}
    for age, kind in ((5, "KeyError"), (30, "ValueError"), (1, "ValueError")):
        shared.sent(("event", error(name, kind, timestamp=now - age, contexts=context)))
    assert rows(shared, "errors", ["release", "count()"], f"release:[{name}]") == [{"release": name, "count()": 3}]
    assert rows(shared, "errors", ["count_unique(issue)"], f"release:{name}") == [{"count_unique(issue)": 2}]
    fields = ["timestamp", "title", "issue.id", "trace", "release"]
    (first,) = rows(shared, "errors", fields, f"release:{name}", sort="timestamp", per_page=1)
    assert (first["title"], first["trace"], first["release"]) == ("ValueError: declined", trace, name)
    assert datetime.fromisoformat(first["timestamp"]).timestamp() == pytest.approx(now - 30, abs=0.01)
    newest = rows(shared, "errors", ["title", "issue.id"], f"release:{name}", sort="-timestamp")
    assert [row["title"].split(":")[0] for row in newest] == ["ValueError", "KeyError", "ValueError"]
    older = rows(shared, "errors", ["count()"], f"release:{name}", start=iso(now - 40), end=iso(now - 20))
    assert older == [{"count()": 1}]
    by_issue = rows(shared, "errors", ["issue.id", "count()"], f"issue.id:{first['issue.id']} release:{name}")
    assert by_issue == [{"issue.id": first["issue.id"], "count()": 2}]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"dataset": "spans"}, "field"),
        ({"field": "count()"}, "dataset"),
        ({"dataset": "discover", "field": "count()"}, "discover"),
        ({"dataset": "spans", "field": "user.id"}, "user.id"),
        ({"dataset": "spans", "field": ["count()", "user.id"]}, "user.id"),
        ({"dataset": "spans", "field": "p42(span.duration)"}, "p42"),
        ({"dataset": "errors", "field": "failure_rate()"}, "failure_rate()"),
        ({"dataset": "errors", "field": "p95(span.duration)"}, "p95"),
        ({"dataset": "errors", "field": "user"}, "user"),
        ({"dataset": "errors", "field": ["title", "count()"]}, "title"),
        ({"dataset": "errors", "field": "title", "sort": "title"}, "sort"),
        ({"dataset": "spans", "field": "count()", "sort": "release"}, "sort"),
        ({"dataset": "spans", "field": "count()", "query": "user:1"}, "user"),
        ({"dataset": "spans", "field": "count()", "query": "some words"}, "some words"),
        ({"dataset": "spans", "field": "count()", "per_page": "101"}, "per_page"),
        ({"dataset": "spans", "field": "count()", "statsPeriod": "1y"}, "statsPeriod"),
        ({"dataset": "spans", "field": "count()", "start": "2026-01-01T00:00:00"}, "start and end"),
        ({"dataset": "spans", "field": "count()", "start": "now", "end": "later"}, "start and end"),
        ({"dataset": "spans", "field": "count()", "start": "2026-01-02", "end": "2026-01-01"}, "end"),
        ({"dataset": "spans", "field": "count()", "cursor": "x"}, "cursor"),
        ({"dataset": "spans", "field": "failure_rate()", "query": "release:a"}, "need is_transaction:true"),
        ({"dataset": "spans", "field": ["count()"] * 21}, "field"),
    ],
)
def test_unknown_queries(shared: Server, query: dict[str, Any], says: str) -> None:
    refused = shared.call(
        "GET",
        "/events/",
        params=query if query.get("dataset") == "errors" else {"query": "is_transaction:true"} | query,
    )
    assert refused.status_code == 400
    assert says in refused.json()["detail"]


def test_timeseries(shared: Server, name: str) -> None:
    second = int(time.time()) // 10 * 10 - 20
    for end in (second, second, second + 10):
        shared.sent(("transaction", transaction(name, 1) | {"start_timestamp": end - 0.1, "timestamp": end}))
    query = {"dataset": "spans", "query": f"is_transaction:true release:{name}", "interval": "10s"}
    window = {"start": iso(second - 10), "end": iso(second + 20)}
    answer = shared.ask("/events-timeseries/", **query, **window)
    (series,) = answer["timeSeries"]
    assert [(point["timestamp"], point["value"]) for point in series["values"]] == [
        ((second - 10) * 1000, 0),
        (second * 1000, 2),
        ((second + 10) * 1000, 1),
    ]
    (grouped,) = shared.ask("/events-timeseries/", **query, **window, yAxis="p95(span.duration)", groupBy="release")[
        "timeSeries"
    ]
    assert grouped["groupBy"] == [{"key": "release", "value": name}]
    assert grouped["values"][1]["value"] == pytest.approx(100, rel=0.04)
    refused = shared.call("GET", "/events-timeseries/", params=query | {"yAxis": "release"})
    assert (refused.status_code, "yAxis" in refused.json()["detail"]) == (400, True)


def test_sessions(shared: Server, name: str) -> None:
    now = time.time()
    attrs = {"release": name, "environment": "test"}

    def update(sid: str, **fields: Any) -> None:
        shared.sent(("session", {"sid": sid, "started": now, "attrs": attrs, **fields}))

    update("healthy", init=True, status="ok")
    update("healthy", status="exited")
    update("errored", init=True, status="ok")
    update("errored", status="ok", errors=1)
    update("errored", status="exited", errors=2)
    update("crashed", init=True, status="ok", errors=1)
    update("crashed", status="crashed", errors=1)
    shared.sent(
        ("sessions", {"attrs": attrs, "aggregates": [{"started": now, "exited": 4, "errored": 2, "crashed": 1}]})
    )
    query = {"query": f"release:{name}", "statsPeriod": "1h"}
    answer = shared.ask("/sessions/", field=["sum(session)", "crash_free_rate(session)"], groupBy="release", **query)
    (group,) = answer["groups"]
    assert group["by"] == {"release": name}
    assert group["totals"] == {"sum(session)": 10, "crash_free_rate(session)": 0.8}
    assert sum(group["series"]["sum(session)"]) == 10
    assert len(answer["intervals"]) == len(group["series"]["sum(session)"])
    by_status = shared.ask("/sessions/", field="sum(session)", groupBy="session.status", **query)["groups"]
    assert {group["by"]["session.status"]: group["totals"]["sum(session)"] for group in by_status} == {
        "healthy": 5,
        "errored": 3,
        "crashed": 2,
        "abnormal": 0,
        "unhandled": 0,
    }
    for bad in (
        {"field": "p95(session)"},
        {},
        {"field": "sum(session)", "groupBy": "user"},
        {"field": "sum(session)", "interval": "1m"},
    ):
        refused = shared.call("GET", "/sessions/", params=bad)
        assert refused.status_code == 400
        assert refused.json()["detail"]


def test_issues(shared: Server, name: str) -> None:
    trace = trace_id()
    for release in (name, name.replace("1.0.0", "1.1.0")):
        shared.sent(("event", error(release, "KeyError", fingerprint=[name], contexts={"trace": {"trace_id": trace}})))
    (issue,) = shared.ask("/issues/", query=f"first-release:{name}", sort="new", limit=25, environment="test")
    assert issue["title"] == "KeyError: declined"
    assert (issue["count"], issue["level"], issue["status"], issue["substatus"]) == (
        "2",
        "error",
        "unresolved",
        "ongoing",
    )
    assert issue["metadata"] == {
        "type": "KeyError",
        "value": "declined",
        "filename": "payment/rules.py",
        "function": "charge",
    }
    assert issue["culprit"] == "payment.rules in charge"
    assert issue["permalink"] == f"http://127.0.0.1:{shared.port}/issues/{issue['id']}"
    assert issue["firstSeen"] < issue["lastSeen"]
    assert issue["shortId"].startswith("REELBACK-")
    assert shared.ask(f"/issues/{issue['id']}/") == issue
    assert shared.ask("/issues/", query=f"first-release:{name}", environment="elsewhere") == []
    newer = shared.ask("/issues/", query=f"release:{name.replace('1.0.0', '1.1.0')} issue:{issue['shortId']}")
    assert [found["id"] for found in newer] == [issue["id"]]
    event = shared.ask(f"/issues/{issue['id']}/events/latest/")
    assert event["contexts"]["trace"]["trace_id"] == trace
    assert event["entries"][0]["data"]["values"][0]["stacktrace"]["frames"][0]["function"] == "charge"
    for bad in ({"query": "assigned:me"}, {"sort": "trends"}, {"limit": "0"}):
        assert shared.call("GET", "/issues/", params=bad).status_code == 400


def test_an_issue_seen_in_two_environments_has_a_first_release_in_each(shared: Server, name: str) -> None:
    old = name.replace("1.0.0", "0.9.0")
    shared.sent(("event", error(old, fingerprint=[name], environment="live")))
    shared.sent(("event", error(name, fingerprint=[name])))
    assert len(shared.ask("/issues/", query=f"first-release:{name}", environment="test")) == 1
    assert shared.ask("/issues/", query=f"first-release:{name}") == []
    (issue,) = shared.ask("/issues/", query=f"first-release:{old}")
    assert issue["count"] == "2"


@pytest.mark.parametrize(
    ("decision", "later", "status"),
    [
        ({"status": "resolved"}, "1.0.0", "unresolved"),
        ({"status": "resolvedInNextRelease"}, "1.0.0", "resolved"),
        ({"status": "resolvedInNextRelease"}, "1.1.0", "unresolved"),
        ({"status": "resolvedInNextRelease"}, "1.0.0-rc.1", "resolved"),
        ({"status": "resolved", "statusDetails": {"inRelease": "NAME@1.2.0"}}, "1.1.0", "resolved"),
        ({"status": "resolved", "statusDetails": {"inRelease": "NAME@1.2.0"}}, "1.10.0", "unresolved"),
        ({"status": "ignored"}, "1.1.0", "ignored"),
    ],
)
def test_decisions(shared: Server, name: str, decision: dict[str, Any], later: str, status: str) -> None:
    package = name.partition("@")[0]
    shared.sent(("event", error(name, fingerprint=[name])))
    (issue,) = shared.ask("/issues/", query=f"first-release:{name}")
    path = f"/issues/{issue['id']}/"
    details = {key: value.replace("NAME", package) for key, value in decision.get("statusDetails", {}).items()}
    decided = shared.call("PUT", path, json=decision | {"statusDetails": details})
    assert decided.status_code == 200
    assert decided.json()["status"] == ("ignored" if decision["status"] == "ignored" else "resolved")
    assert shared.ask("/issues/", query=f"is:unresolved first-release:{name}") == []
    shared.sent(("event", error(f"{package}@{later}", fingerprint=[name])))
    now = shared.ask(path)
    assert now["status"] == status
    assert now["substatus"] == {"unresolved": "regressed", "ignored": "archived_forever", "resolved": None}[status]
    shared.call("PUT", path, json={"status": "unresolved"})
    assert shared.ask(path)["status"] == "unresolved"
    refused = shared.call("PUT", path, json={"status": "merged"})
    assert (refused.status_code, list(refused.json())) == (400, ["status"])


def test_trace(shared: Server, name: str) -> None:
    trace, root, middle, leaf = trace_id(), span_id(), span_id(), span_id()
    for service, body in (
        (
            "payment",
            [
                otlp_span(
                    name, "Charge", trace_id=trace, span_id=leaf, parent_span_id=middle, flags=0x300, status=FAILED
                )
            ],
        ),
        ("gateway", [otlp_span(name, "POST /spin", trace_id=trace, span_id=root)]),
        ("gateway", [otlp_span(name, "call", trace_id=trace, span_id=middle, parent_span_id=root)]),
    ):
        for _ in range(2):  # sent twice, shown once
            answer = shared.export(otlp(*body, service=service))
            assert answer.status_code == 200
    shared.sent(("event", error(name, contexts={"trace": {"trace_id": trace, "span_id": leaf}})))
    shared.sent(("event", error(name, "KeyError", contexts={"trace": {"trace_id": trace, "span_id": span_id()}})))
    spin, lost = shared.ask(f"/trace/{trace}/")
    call = spin["children"][0]
    charge = call["children"][0]
    assert [(s["name"], s["is_transaction"]) for s in (spin, call, charge)] == [
        ("POST /spin", True),
        ("call", False),
        ("Charge", True),
    ]
    assert charge["additional_attributes"]["service.name"] == "payment"
    assert charge["additional_attributes"]["span.status"] == "internal_error"
    assert charge["duration"] == pytest.approx(20, abs=0.01)
    assert [found["description"] for found in charge["errors"]] == ["ValueError: declined"]
    assert (lost["event_type"], lost["description"]) == ("error", "KeyError: declined")
    assert shared.ask(f"/trace/{trace_id()}/") == []


def test_the_processing_of_an_event_is_a_segment_of_its_consumer(shared: Server, name: str) -> None:
    trace, bet = trace_id(), span_id()
    attributes = [text("messaging.system", "kafka")]
    consumed = otlp_span(name, "process bets", trace_id=trace, parent_span_id=bet, flags=REMOTE, kind=CONSUMER)
    consumed.attributes.extend(attributes)
    published = otlp_span(name, "publish bets", trace_id=trace, span_id=bet, parent_span_id=span_id(), kind=PRODUCER)
    published.attributes.extend(attributes)
    answer = shared.export(otlp(published, consumed, service="analytics"))
    assert answer.status_code == 200
    query = f'is_transaction:true transaction:"process bets" release:{name}'
    assert rows(shared, "spans", ["transaction", "count()"], query) == [{"transaction": "process bets", "count()": 1}]
    assert rows(shared, "spans", ["count()"], f"is_transaction:true release:{name}") == [{"count()": 1}]
    (publish,) = shared.ask(f"/trace/{trace}/")
    (process,) = publish["children"]
    assert [(s["op"], s["is_transaction"]) for s in (publish, process)] == [
        ("queue.publish", False),
        ("queue.process", True),
    ]


def test_strange_traces(shared: Server, name: str) -> None:
    """Parents in a circle, and a chain deeper than anything that nests."""
    circle, a, b = trace_id(), span_id(), span_id()
    chain = [span_id() for _ in range(400)]
    deep = trace_id()
    spans = [
        otlp_span(name, trace_id=circle, span_id=a, parent_span_id=b),
        otlp_span(name, trace_id=circle, span_id=b, parent_span_id=a),
        *[
            otlp_span(name, trace_id=deep, span_id=own, **({"parent_span_id": parent} if parent else {}))
            for own, parent in zip(chain, [None, *chain], strict=False)
        ],
    ]
    shared.export(otlp(*spans))

    def size(nodes: list[dict[str, Any]]) -> int:
        return sum(1 + size(node["children"]) for node in nodes)

    assert size(shared.ask(f"/trace/{circle}/")) == 2
    assert size(shared.ask(f"/trace/{deep}/")) == 400
