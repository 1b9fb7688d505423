"""The release board: its pages come from here alone, and its data says what was sent."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import reelback_minisentry.board
from reelback_minisentry.board import metric_charts, overview
from reelback_minisentry.stats.metric_stats import of_sample
from reelback_minisentry.store.cells import Cell, MetricRow

from tests.unit.minisentry.conftest import Server, wait_until
from tests.unit.minisentry.payloads import error, profile, span_id, trace_id, transaction
from tests.unit.minisentry.test_metrics import sample, send

STATIC = Path(reelback_minisentry.board.__file__).parent / "static"


def shown(server: Server, **query: str) -> dict[str, Any]:
    # An answer is good for a second: environments of a test's own keep others' questions apart.
    answer = server.http.get("/board/data/overview", params=query)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (f"performance/trace/{'ab' * 16}/", f"/trace/{'ab' * 16}"),
        (f"issues/?query=trace%3A{'ab' * 16}", f"/trace/{'ab' * 16}"),
        ("issues/?query=is:unresolved", "/"),
        ("issues/", "/"),
        ("issues/12/", "/issues/12"),
        ("issues/x/", "/issues/0"),
    ],
)
def test_sentrys_own_addresses_lead_to_pages(shared: Server, path: str, page: str) -> None:
    answer = shared.http.get(f"/organizations/reelback/{path}")
    assert (answer.status_code, answer.headers["location"]) == (307, page)


@pytest.mark.parametrize("path", ["/", "/issues/12", "/trace/0123"])
def test_pages(shared: Server, path: str) -> None:
    page = shared.http.get(path)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in re.findall(r'(?:href|src)="(/board/[^"]+)"', page.text):
        assert shared.http.get(name).status_code == 200


def test_nothing_comes_from_elsewhere(shared: Server) -> None:
    assert shared.http.get("/board/index.html").status_code == 404
    assert shared.http.get("/board/..%2f__init__.py").status_code == 404
    for file in STATIC.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text.replace("//public@", ""), file
        assert "innerHTML" not in text
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert (STATIC / name).exists()
            assert shared.http.get(f"/board/{name}").headers["content-type"].startswith("text/javascript")


def test_the_front_page_of_a_rollback(shared: Server, name: str) -> None:
    package = name.partition("@")[0]
    good, bad = f"{package}@1.4.0", f"{package}@1.5.0"
    trace = trace_id()
    for release, failures in ((good, 1), (bad, 4)):
        for number in range(10):
            status = "internal_error" if number < failures else "ok"
            shared.sent(("transaction", transaction(release, 10, status, environment=package)))
    context = {"trace": {"trace_id": trace, "span_id": span_id()}}
    shared.sent(("event", error(bad, fingerprint=[name], environment=package, contexts=context)))
    attrs = {"release": bad, "environment": package}
    shared.sent(("sessions", {"attrs": attrs, "aggregates": [{"started": time.time(), "exited": 3, "crashed": 1}]}))
    for release, deploy in ((bad, "bad"), (good, f"rollback from {bad}")):
        made = shared.call("POST", f"/releases/{release}/deploys/", json={"environment": package, "name": deploy})
        assert made.status_code == 201

    data = shown(shared, service=package, environment=package)
    assert (data["service"], data["services"][0]) == (package, package)
    rows = {row["release"]: row for row in data["releases"]}
    assert [(rows[release]["requests"], rows[release]["failures"]) for release in (good, bad)] == [(10, 1), (10, 4)]
    assert rows[bad]["p95"] == pytest.approx(10, rel=0.04)
    assert (rows[bad]["sessions"], rows[bad]["crashFree"], rows[bad]["errors"]) == (4, 0.75, 1)
    assert sum(point[1] for point in data["points"][bad] if point) == 4
    assert len(data["points"][bad]) == overview.WINDOW / overview.STEP
    assert [(deploy["release"], deploy["rollbackFrom"]) for deploy in data["deploys"]] == [(good, bad), (bad, None)]
    (issue,) = data["issues"]
    assert (issue["count"], issue["trace"], issue["firstRelease"]) == (1, trace, bad)

    page = shared.http.get(f"/board/data/issues/{issue['id']}").json()
    assert page["event"]["entries"][0]["data"]["values"][0]["stacktrace"]["frames"][0]["function"] == "charge"
    (lost,) = shared.http.get(f"/board/data/trace/{trace}").json()
    assert lost["issue_id"] == int(issue["id"])


def test_the_charts_of_metrics(shared: Server, name: str) -> None:
    assert shared.http.get("/board/data/metrics", params={"environment": name}).json() == {"charts": []}
    own = {"sentry.environment": name}
    send(shared, *(sample(name, "game.rtp", rtp, unit="ratio", game="classic", **own) for rtp in (0.5, 0.9)))
    send(shared, sample(name, "bets.count", 40, "counter", at=time.time() - 30, **own))

    def charts_shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shared.http.get("/board/data/metrics", params={"environment": name}).json()[
            "charts"
        ]
        return found

    wait_until(lambda: len(charts_shown()) > 0)  # the answer of before is good for a second
    charts = charts_shown()
    assert [(chart["name"], chart["type"], chart["unit"]) for chart in charts] == [
        ("bets.count", "counter", ""),
        ("game.rtp", "gauge", "ratio"),
    ]
    ((bets,), (rtp,)) = (chart["lines"] for chart in charts)
    assert (bets["label"], [value for value in bets["values"] if value is not None]) == ("", [40 / metric_charts.STEP])
    assert (rtp["label"], [value for value in rtp["values"] if value is not None]) == ("classic", [0.9])
    assert len(rtp["values"]) * metric_charts.STEP >= metric_charts.LEAST_SPAN


def test_points_of_metrics() -> None:
    now = 1000.0
    stats = {at: of_sample(float(at), float(at)) for at in (960, 970, 980, 990)}

    def values(kind: str) -> list[float | None]:
        row = MetricRow({"metric.name": "a", "metric.type": kind, "metric.unit": "", "attributes": ""})
        steps: dict[int, list[Cell]] = {at: [(row, one), (row, one)] for at, one in stats.items()}
        (chart,) = metric_charts.charts(steps, range(900, 1010, metric_charts.STEP), now)
        assert chart["start"] == 950
        found: list[float | None] = chart["lines"][0]["values"]
        return found

    assert values("gauge") == [None, 960, 970, 980, 990, None]
    assert values("counter") == [None, 192, 194, 196, None, None]  # what may still come is not shown yet


def test_what_is_not_there(shared: Server, name: str) -> None:
    assert shown(shared, service=name)["releases"] == []
    assert shared.http.get("/board/data/issues/1").status_code == 404
    assert shared.http.get("/board/data/issues/x").status_code == 404
    assert shared.http.get("/board/data/trace/x").json() == []


def test_an_empty_store(own: Server) -> None:
    data = shown(own)
    assert (data["services"], data["service"], data["points"]) == ([], "", {})


def test_services_are_ordered_by_their_last_deploy() -> None:
    deploys = [{"release": "b@2"}, {"release": "c@1"}, {"release": "b@1"}]
    assert overview.services(["a@1", "b@1", "b@2", "c@1", "nameless"], deploys) == ["b", "c", "a"]


def test_the_functions_in_which_a_service_spends_its_time(shared: Server, name: str) -> None:
    package = name.partition("@")[0]
    good, bad = f"{package}@1.4.0", f"{package}@1.5.0"
    waiting = ("2", 20, ("_wait",))
    shared.sent(("profile_chunk", profile(good, ("1", 1, ("draw", "main")), ("1", 9, ("_select", "main")), waiting)))
    shared.sent(("profile_chunk", profile(bad, ("1", 6, ("draw", "main")), ("1", 4, ("_select", "main")), waiting)))
    shown_ = shown(shared, service=package)["functions"]
    assert [(each["function"], each["package"]) for each in shown_] == [("_select", "game.rng"), ("draw", "game.rng")]
    assert shown_[0]["shares"] == pytest.approx({good: 0.9, bad: 0.4}, rel=0.01)
    assert shown_[1]["shares"] == pytest.approx({good: 0.1, bad: 0.6}, rel=0.01)


def test_an_issue_names_the_commits_to_the_code_that_failed(shared: Server, name: str) -> None:
    def commit(id_: str, path: str) -> dict[str, Any]:
        files = [{"path": path, "type": "M"}]
        return {"id": id_, "message": id_, "author_name": "Ada", "author_email": "ada@team.example", "patch_set": files}

    commits = [
        commit("guilty", "services/payment/src/payment/rules.py"),
        commit("elsewhere", "services/payment/src/payment/other_rules.py"),
        commit("another", "services/payment/src/prepayment/rules.py"),
        commit("library", "lib/run.py"),
    ]
    shared.call("POST", "/releases/", json={"version": name, "projects": ["reelback"], "commits": commits})
    shared.call(
        "POST", "/releases/", json={"version": f"{name}-later", "projects": ["reelback"], "commits": commits[1:]}
    )
    for release in (name, f"{name}-later"):
        event = error(release, fingerprint=[name])
        event["exception"]["values"][0]["stacktrace"]["frames"].insert(0, {"filename": "run.py", "in_app": False})
        shared.sent(("event", event))
    (number,) = (row["id"] for row in shared.ask("/issues/", query=f"release:{name}"))

    page = shared.http.get(f"/board/data/issues/{number}").json()
    path = "services/payment/src/payment/rules.py"
    assert page["suspects"] == [{"id": "guilty", "message": "guilty", "author": "Ada", "files": [path]}]


def test_an_issue_without_commits_or_exception_has_no_suspects(shared: Server, name: str) -> None:
    plain = {"event_id": span_id() * 2, "message": "hello", "fingerprint": [name], "release": name}
    shared.sent(("event", {**plain, "timestamp": time.time()}))
    (number,) = (row["id"] for row in shared.ask("/issues/", query=f"release:{name}"))
    assert shared.http.get(f"/board/data/issues/{number}").json()["suspects"] == []


def test_the_innermost_frame_of_the_service_has_the_lines_around_it(shared: Server, name: str) -> None:
    around = {"pre_context": [f"a{n}" for n in range(9)], "context_line": "x" * 999, "post_context": ["b", 7, "c"]}
    own = {"filename": "payment/rules.py", "function": "charge", "lineno": 7, "in_app": True, **around}
    frames = [own, {**own, "lineno": 40}, {**own, "in_app": False}, {"filename": "x.py", "pre_context": "no list"}]
    values = [{"type": "E", "value": "", "stacktrace": {"frames": frames}}]
    shared.sent(("event", error(name, fingerprint=[name], exception={"values": values})))
    (number,) = (row["id"] for row in shared.ask("/issues/", query=f"release:{name}"))

    page = shared.http.get(f"/board/data/issues/{number}").json()
    outer, inner, *others = page["event"]["entries"][0]["data"]["values"][0]["stacktrace"]["frames"]
    alone = [[7, "x" * 300]]
    assert [frame["context"] for frame in (outer, *others)] == [alone, alone, []]
    lines = [f"a{n}" for n in range(4, 9)] + ["x" * 300, "b", "7", "c"]
    assert inner["context"] == [[number, line] for number, line in zip(range(35, 44), lines, strict=True)]
