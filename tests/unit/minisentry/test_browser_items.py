"""What else browsers send: feedback, attachments, web vitals, and from which origins they may."""

from typing import Any

import orjson
import pytest

from tests.unit.minisentry.conftest import BROWSER_KEY, TOKEN, Server, envelope

PROJECT = "/api/0/projects/reelback/web"
EVENT = "49a28f9b606c4bd0bcdee2c4eef71214"
MIB = 1024 * 1024


def ask(server: Server, path: str, **query: Any) -> Any:
    answer = server.http.get(PROJECT + path, params=query, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def with_attachment(event_id: str, content: bytes, name: str = "a.txt") -> bytes:
    event = orjson.dumps({"message": event_id, "release": "web@1.4.0", "environment": "test"})
    lines = [
        *(orjson.dumps({"event_id": event_id}), orjson.dumps({"type": "event", "length": len(event)}), event),
        *(orjson.dumps({"type": "attachment", "length": len(content), "filename": name}), content),
    ]
    return b"\n".join(lines)


def test_a_recorded_attachment_is_listed_and_handed_out(fresh: Server) -> None:
    fresh.recorded("attachment")
    [file] = ask(fresh, f"/events/{EVENT}/attachments/")
    assert (file["name"], file["mimetype"], file["size"]) == ("state.json", "application/json", 7)
    assert (file["type"], file["event_id"]) == ("event.attachment", EVENT)
    assert ask(fresh, f"/events/{EVENT}/attachments/{file['id']}/") == file
    path = f"{PROJECT}/events/{EVENT}/attachments/{file['id']}/?download=1"
    content = fresh.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert content.content == b'{"n":1}'
    assert content.headers["content-disposition"] == "attachment; filename*=UTF-8''state.json"
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert fresh.http.get(path).status_code == 401


def test_an_attachment_that_is_sent_twice_is_one(fresh: Server) -> None:
    for name in ("attachment", "attachment"):
        fresh.recorded(name)
    assert len(ask(fresh, f"/events/{EVENT}/attachments/")) == 1


def test_an_attachment_that_is_too_large_is_counted_and_its_event_taken(fresh: Server) -> None:
    assert fresh.browsers(with_attachment("1" * 32, b"x" * 3 * MIB)).status_code == 200
    assert ask(fresh, f"/events/{'1' * 32}/attachments/") == []
    assert [issue for issue in fresh.ask("/issues/", query="") if issue["title"] == "1" * 32]
    drops = fresh.http.get("/board/data/overview").json()["drops"]
    assert {"reason": "too_large", "category": "attachment", "quantity": 1} in drops


def test_attachments_are_bounded_together(own: Server) -> None:
    ids = [f"{n + 1:032x}" for n in range(6)]
    for event_id in ids:
        assert own.browsers(with_attachment(event_id, b"x" * (2 * MIB - 1000))).status_code == 200
    assert [bool(ask(own, f"/events/{event_id}/attachments/")) for event_id in ids] == [False, False, *[True] * 4]


@pytest.mark.parametrize("name", ["../../x", 'a"; b=c', "a\r\nSet-Cookie: a=b", "ü.txt", ""])
def test_names_of_attachments_stay_names(fresh: Server, name: str) -> None:
    event_id = f"{abs(hash(name)) + 1:032x}"[-32:]
    assert fresh.browsers(with_attachment(event_id, b"x", name)).status_code == 200
    [file] = ask(fresh, f"/events/{event_id}/attachments/")
    path = f"{PROJECT}/events/{event_id}/attachments/{file['id']}/?download"
    headers = fresh.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).headers
    assert "set-cookie" not in headers
    assert not set('/"\\; ') & set(headers["content-disposition"].partition("''")[2])


def test_recorded_feedback_is_listed_with_the_issue_of_its_event(fresh: Server) -> None:
    fresh.recorded("attachment")
    fresh.recorded("feedback")
    [said] = [each for each in ask(fresh, "/user-feedback/") if each["eventID"] == EVENT]
    assert (said["comments"], said["name"], said["email"]) == ("The spin broke", "Ann", "ann@example.com")
    [issue] = [each for each in fresh.ask("/issues/", query="") if each["id"] == said["issue"]["id"]]
    assert issue["title"] == "Error: with an attachment"
    assert issue["count"] != "0"

    # The board may be read by whoever reaches it: it says neither who said it nor their address.
    page = fresh.http.get(f"/board/data/issues/{issue['id']}").json()
    assert [each["message"] for each in page["feedback"]] == ["The spin broke"]
    assert page["attachments"][0]["name"] == "state.json"
    assert "ann@example.com" not in orjson.dumps(page).decode()
    assert '"Ann"' not in orjson.dumps(page).decode()


def test_feedback_is_no_error(fresh: Server) -> None:
    def errors() -> int:
        answer = fresh.ask("/events/", dataset="errors", field="count()", query="release:web@9.0.0", statsPeriod="1h")
        count: int = answer["data"][0]["count()"]
        return count

    said = {"message": "x" * 9000, "name": 5, "contact_email": None}
    body = envelope(("feedback", {"contexts": {"feedback": said}, "release": "web@9.0.0", "environment": "test"}))
    assert fresh.browsers(body).status_code == 200
    assert errors() == 0
    assert [len(each["comments"]) for each in ask(fresh, "/user-feedback/") if each["name"] == "5"] == [4096]


def test_recorded_web_vitals_are_queried_in_spans(fresh: Server) -> None:
    for name in ("pageload", "largest-paint", "interaction"):
        fresh.recorded(name, **{"web@1.4.0": "web@3.0.0"})
    query = {"dataset": "spans", "statsPeriod": "1h", "query": "release:web@3.0.0"}
    lcp, inp, cls = "p75(browser.web_vital.lcp.value)", "max(measurements.inp)", "avg(browser.web_vital.cls.value)"
    answer = fresh.ask("/events/", field=["release", "transaction", lcp, inp, cls, "count(measurements.fcp)"], **query)
    assert answer["data"] == [
        {
            "release": "web@3.0.0",
            "transaction": "Pageload",
            lcp: pytest.approx(496, rel=0.04),
            inp: 24.0,
            cls: 0.0,
            "count(measurements.fcp)": 1,
        }
    ]
    assert answer["meta"]["units"][lcp] == "millisecond"
    [series] = fresh.ask("/events-timeseries/", yAxis=inp, interval="1h", **query)["timeSeries"]
    assert max(point["value"] for point in series["values"]) == 24.0
    rows = fresh.ask(
        "/events/",
        **query | {"query": "span.op:ui.webvital.lcp release:web@3.0.0"},
        field=["id", "browser.web_vital.lcp.value"],
    )
    assert [row["browser.web_vital.lcp.value"] for row in rows["data"]] == [496]
    charts = {chart["name"] for chart in fresh.http.get("/board/data/metrics").json()["charts"]}
    assert "browser.web_vital.inp.value" in charts


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("p42(measurements.lcp)", "p75(browser.web_vital.lcp.value)"),
        ("sum(browser.web_vital.cls.value)", "of web vitals there are"),
    ],
)
def test_what_web_vitals_have_not(fresh: Server, field: str, says: str) -> None:
    answer = fresh.call("GET", "/events/", params={"dataset": "spans", "field": field})
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_a_page_of_another_origin_may_send(fresh: Server) -> None:
    path, origin = "/api/2/envelope/", {"Origin": "https://shop.example"}
    asked = fresh.ingest.options(
        path,
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-sentry-auth",
        },
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in asked.headers
    assert {"content-type", "x-sentry-auth"} <= set(asked.headers["access-control-allow-headers"].split(", "))
    body = envelope(("event", {"message": "hello", "release": "web@1.4.0"}))
    for key, expected in ((BROWSER_KEY, 200), ("another-key", 403)):
        answer = fresh.ingest.post(f"{path}?sentry_key={key}&sentry_version=7", content=body, headers=origin)
        assert answer.status_code == expected
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]
    assert (
        "access-control-allow-origin" not in fresh.ingest.post(f"{path}?sentry_key={BROWSER_KEY}", content=body).headers
    )
    assert fresh.ingest.options("/elsewhere").status_code == 404


def test_projects_have_names(fresh: Server) -> None:
    fresh.recorded("error")
    [issue] = [
        each for each in fresh.ask("/issues/", query="", project="web") if each["metadata"].get("type") == "TypeError"
    ]
    assert issue["project"] == {"id": "2", "name": "web", "slug": "web", "platform": "javascript"}
    assert issue["shortId"].startswith("WEB-")
    row = {
        "dataset": "errors",
        "field": ["project", "project.id", "issue"],
        "statsPeriod": "1h",
        "query": "project:web",
    }
    assert {"project": "web", "project.id": 2, "issue": issue["shortId"]} in fresh.ask("/events/", **row)["data"]
    counted = fresh.ask(
        "/events/", dataset="errors", field=["project", "count()"], query="project:web", statsPeriod="1h"
    )
    assert [each["project"] for each in counted["data"]] == ["web"]
    assert {"3": "admin"}.items() <= {each["id"]: each["slug"] for each in fresh.ask("/projects/")}.items()
