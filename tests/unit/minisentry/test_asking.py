"""Asking for a part: a project by id or name, releases in quotes, and requests slower than a limit."""

import time
from typing import Any

import pytest

from tests.unit.minisentry.conftest import Server
from tests.unit.minisentry.payloads import error, otlp, otlp_span, transaction

COUNTED = {"disableAggregateExtrapolation": "1"}


def ask(server: Server, fields: list[str], query: str, dataset: str = "spans", **more: Any) -> list[dict[str, Any]]:
    if dataset == "spans":
        query = f"is_transaction:true {query}"
    found: list[dict[str, Any]] = server.ask(
        "/events/", dataset=dataset, field=fields, query=query, statsPeriod="1h", **more
    )["data"]
    return found


def quoted(release: str) -> str:
    for special in ('"', "*"):
        release = release.replace(special, f"\\{special}")
    return f'"{release}"'


def test_a_project_is_answered_for_alone(shared: Server, name: str) -> None:
    attrs = {"release": name, "environment": "test"}
    aggregates = {"attrs": attrs, "aggregates": [{"started": time.time(), "exited": 3}]}
    for sender, times in (("1", 1), ("77", 2)):
        for _ in range(times):
            shared.exported(otlp(otlp_span(name)), sender)
            shared.sent(("event", error(name, fingerprint=[name])), ("sessions", aggregates), project=sender)
    asked: list[tuple[Any, int]] = [("1", 1), ("reelback", 1), ("77", 2), ("-1", 3), (["1", "77"], 3), ("", 3)]
    for project, times in asked:
        query = f"release:{name}"
        assert ask(shared, ["count()"], query, project=project) == [{"count()": times}]
        assert ask(shared, ["count()"], query, "errors", project=project) == [{"count()": times}]
        titles = ask(shared, ["title"], query, "errors", project=project)
        assert len(titles) == times
        issues = shared.ask("/issues/", query=f"first-release:{name}", project=project)
        assert sum(int(issue["count"]) for issue in issues) == times
        sessions = shared.ask("/sessions/", field="sum(session)", query=query, statsPeriod="1h", project=project)
        assert [group["totals"] for group in sessions["groups"]] == [{"sum(session)": 3 * times}]
        series = shared.ask("/events-timeseries/", dataset="errors", query=query, statsPeriod="5m", project=project)
        assert sum(point["value"] for point in series["timeSeries"][0]["values"]) == times


@pytest.mark.parametrize("path", ["/events/?dataset=errors&field=count()", "/sessions/?field=sum(session)", "/issues/"])
def test_an_unknown_project_is_refused(shared: Server, path: str) -> None:
    for project in ("98765", "nobody", "1&project=98765"):
        refused = shared.call("GET", f"{path}{'&' if '?' in path else '?'}project={project}")
        assert refused.status_code == 403
        assert refused.json() == {"detail": "You do not have permission to perform this action."}


def test_projects_have_ids_and_names(shared: Server) -> None:
    shared.exported(otlp(otlp_span("a@1")), "78")
    listed = {project["id"]: project["slug"] for project in shared.ask("/projects/")}
    assert {"1": "reelback", "78": "78"}.items() <= listed.items()


def test_releases_are_quoted(shared: Server, name: str) -> None:
    package = name.partition("@")[0]
    odd = [
        f"{package}@1.0.0",
        f"{package} b@1",
        f'{package}"c"@1',
        f"{package}*@1",
        f"{package}[d],e@1",
        f"{package}x@1",
    ]
    for release in odd:
        shared.sent(("transaction", transaction(release, 1)), ("event", error(release, fingerprint=[release])))
    for release in odd:
        assert ask(shared, ["release"], f"release:{quoted(release)}", "errors") == [{"release": release}]
        for query in (f"release:{quoted(release)}", f"release:[{quoted(release)}]"):
            assert ask(shared, ["release", "count()"], query) == [{"release": release, "count()": 1}]
        (issue,) = shared.ask("/issues/", query=f"first-release:{quoted(release)}")
        assert issue["firstRelease"]["version"] == release
    together = ask(shared, ["release", "count()"], f"release:[{','.join(map(quoted, odd))}]")
    assert sorted(row["release"] for row in together) == sorted(odd)
    (everything,) = ask(shared, ["count()"], f'release:"{package}*"')
    assert everything["count()"] == len(odd)
    (by_star,) = ask(shared, ["count()"], f'release:["{package}\\*@*","nothing"]')
    assert by_star["count()"] == 1


@pytest.mark.parametrize("limit", [1.0, 7.3, 100.0, 250.0, 499.0, 500.0, 2000.0])
def test_the_slow_share_is_right_close_to_the_limit(shared: Server, name: str, limit: float) -> None:
    """Durations 4 % and more away from the limit are on their side of it, whatever the bins' bounds are."""
    shared.sent(*(("transaction", transaction(name, limit * factor)) for factor in (0.5, 0.9, 0.95, 1.05, 1.1, 2)))
    fields = [f"count_if(span.duration,{operator},{limit})" for operator in ("greater", "greaterOrEquals", "less")]
    assert ask(shared, fields, f"release:{name}", **COUNTED) == [dict.fromkeys(fields, 3)]
    for query, found in ((f">{limit}", 3), (f"<={limit}ms", 3), (f">={limit / 1000}s", 3), (f">{limit * 1.5}", 1)):
        assert ask(shared, ["count()"], f"release:{name} span.duration:{query}", **COUNTED) == [{"count()": found}]
    between = f"count_if(span.duration,between,{limit * 0.7},{limit * 1.5})"
    assert ask(shared, [between], f"release:{name}", **COUNTED) == [{between: 4}]


def test_counts_by_status(shared: Server, name: str) -> None:
    for status in ("ok", "internal_error", "internal_error", "cancelled"):
        shared.sent(("transaction", transaction(name, 1, status)))
    failed, not_ok = "count_if(span.status,equals,internal_error)", "count_if(span.status,notEquals,ok)"
    assert ask(shared, [failed, not_ok], f"release:{name}", **COUNTED) == [{failed: 2, not_ok: 3}]
    query = f"release:{name} !span.status:[ok,cancelled,unknown]"
    assert ask(shared, ["release", "count()"], query, **COUNTED) == [{"release": name, "count()": 2}]


@pytest.mark.parametrize(
    ("field", "query", "says"),
    [
        ("count_if(span.duration,greater)", "", "count_if"),
        ("count_if(span.duration,greater,soon)", "", "numbers of milliseconds"),
        ("count_if(span.duration,equals,5)", "", "between"),
        ("count_if(span.duration,between,5)", "", "between"),
        ("count_if(release,greater,5)", "", "equals or notEquals"),
        ("count_if(user.id,equals,5)", "", "user.id"),
        ("count()", "span.duration:500", "span.duration:>500ms"),
        ("count()", "span.duration:>500parsecs", "span.duration:>500ms"),
        ("count()", "span.duration:>", "span.duration:>500ms"),
    ],
)
def test_conditions_that_are_not_understood(shared: Server, field: str, query: str, says: str) -> None:
    asked = {"dataset": "spans", "field": field, "query": f"is_transaction:true {query}"}
    refused = shared.call("GET", "/events/", params=asked)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]
