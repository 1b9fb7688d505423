"""Replays as browsers send them: kept within bounds, listed as by Sentry, handed out as they were recorded."""

import time
import uuid
import zlib
from typing import Any

import orjson
import pytest

from tests.unit.minisentry.conftest import BROWSER_KEY, RECORDED, TOKEN, Server

PROJECT = "/api/0/projects/reelback/web"
REPLAY = "530f082d400041d5a357149ddd4ae29c"
TRACE = "b6d2cf000b7e4e8a83827507c0ef280d"
MIB = 1024 * 1024


def segment(replay_id: str, number: int, recording: bytes, **event: Any) -> bytes:
    """An envelope with one segment of a replay."""
    about = {
        "type": "replay_event",
        "replay_id": replay_id,
        "segment_id": number,
        "timestamp": time.time(),
        "replay_start_timestamp": time.time() - 60,
        "release": "web@1.4.0",
        "environment": "test",
        **event,
    }
    raw, body = orjson.dumps(about), b'{"segment_id":%d}\n' % number + recording
    lines = [orjson.dumps({"event_id": replay_id})]
    for kind, payload in (("replay_event", raw), ("replay_recording", body)):
        lines += [orjson.dumps({"type": kind, "length": len(payload)}), payload]
    return b"\n".join(lines)


def events(count: int = 1) -> bytes:
    """A recording of as many events."""
    return zlib.compress(orjson.dumps([{"type": 3, "timestamp": n, "data": {}} for n in range(count)]))


def ask(server: Server, path: str, **query: Any) -> Any:
    answer = server.http.get(PROJECT + path, params=query, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(server: Server, path: str) -> int:
    return server.http.get(PROJECT + path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code


def test_a_recorded_replay_is_listed_and_handed_out(fresh: Server) -> None:
    fresh.recorded("error")
    fresh.recorded("pageload")
    fresh.recorded("replay")

    [row] = fresh.ask("/replays/", query=f"id:{REPLAY}")["data"]
    assert fresh.ask(f"/replays/{REPLAY}/")["data"] == row
    assert (row["releases"], row["environment"], row["project_id"]) == (["web@1.4.0"], "recorded", "2")
    assert (row["trace_ids"], row["count_errors"], row["count_segments"]) == ([TRACE], 3, 1)
    assert (row["replay_type"], row["duration"], row["urls"]) == ("session", 6, ["http://127.0.0.1:29110/"])
    assert row["sdk"] == {"name": "sentry.javascript.react", "version": "11.12.0"}

    [recorded] = ask(fresh, f"/replays/{REPLAY}/recording-segments/")
    body = (RECORDED / "replay.envelope").read_bytes()
    assert recorded == orjson.loads(zlib.decompress(body[body.index(b'{"segment_id":0}\n') + 17 :]))
    one = ask(fresh, f"/replays/{REPLAY}/recording-segments/0/")["data"]
    assert (one["replayId"], one["segmentId"], one["projectId"]) == (REPLAY, 0, "2")

    # What was typed into the page is in none of it.
    assert "secret words" not in orjson.dumps(recorded).decode()


def test_events_and_traces_lead_to_the_replay_and_back(fresh: Server) -> None:
    for name in ("error", "pageload", "replay"):
        fresh.recorded(name)
    [issue] = [each for each in fresh.ask("/issues/", query="") if each["metadata"].get("type") == "TypeError"]
    event = fresh.ask(f"/issues/{issue['id']}/events/latest/")
    assert event["contexts"]["replay"] == {"replay_id": REPLAY}
    spans = {"dataset": "spans", "field": ["trace", "replay.id"], "query": f"replay.id:{REPLAY}", "statsPeriod": "1h"}
    assert {row["trace"] for row in fresh.ask("/events/", **spans)["data"]} == {TRACE}
    page = fresh.http.get(f"/board/data/replays/{REPLAY}").json()
    assert [error["issue"] for error in page["errors"]] == [issue["id"]]
    assert page["segments"] == [0]
    assert len(fresh.http.get(f"/board/data/replays/{REPLAY}/0").json()) > 30


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"trace:{TRACE}", True),
        ("trace_id:" + "0" * 32, False),
        ("error_id:eaa778f3c579458dac21052dc9b7376f", True),
        ("!error_id:eaa778f3c579458dac21052dc9b7376f", False),
        ("release:web@1.4.0 environment:recorded", True),
        ("release:[web@1.4.0,web@1.5.0] !replay_type:buffer", True),
        ("!has:user.id has:url", True),
        ("url:http://127.0.0.1:29110/", True),
    ],
)
def test_searches(fresh: Server, query: str, found: bool) -> None:
    fresh.recorded("replay")
    assert [row["id"] for row in fresh.ask("/replays/", query=query, field="id")["data"] if row["id"] == REPLAY] == (
        [REPLAY] if found else []
    )


def test_segments_come_in_any_order_and_in_pages(fresh: Server) -> None:
    replay = uuid.uuid4().hex
    for number in (2, 0, 10, 1):
        sent = fresh.browsers(segment(replay, number, events(number + 1), error_ids=[f"{number + 1:032x}"]))
        assert sent.status_code == 200, sent.text
    [row] = fresh.ask("/replays/", query=f"id:{replay}")["data"]
    assert (row["count_segments"], row["count_errors"], row["duration"]) == (4, 4, 60)
    whole = ask(fresh, f"/replays/{replay}/recording-segments/")
    assert [len(each) for each in whole] == [1, 2, 3, 11]
    paged = fresh.http.get(
        f"{PROJECT}/replays/{replay}/recording-segments/?per_page=3", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert [len(each) for each in paged.json()] == [1, 2, 3]
    rest = fresh.http.get(paged.links["next"]["url"], headers={"Authorization": f"Bearer {TOKEN}"})
    assert [len(each) for each in rest.json()] == [11]
    assert rest.links["next"]["results"] == "false"


def test_a_recording_that_is_not_compressed_is_taken(fresh: Server) -> None:
    replay = uuid.uuid4().hex
    assert fresh.browsers(segment(replay, 0, b'[{"type":4}]')).status_code == 200
    assert ask(fresh, f"/replays/{replay}/recording-segments/") == [[{"type": 4}]]


@pytest.mark.parametrize(
    ("recording", "status", "says"),
    [
        (zlib.compress(b" " * 50 * MIB), 413, "replay_recording: the body has more than 4194304 bytes"),
        (b"[" + b" " * 5 * MIB + b"]", 413, "replay_recording: the body has more than 4194304 bytes"),
        (b"x" * 50 * MIB, 413, "the body has more than 10485760 bytes"),
        (zlib.compress(b"[1,")[:-3], 400, "replay_recording: the compressed body ends too early"),
        (b"\x78\x9cnonsense", 400, "replay_recording: the compressed body is damaged"),
        (zlib.compress(b"[1,"), 400, "replay_recording: not valid JSON"),
        (zlib.compress(b"{}"), 400, "replay_recording: not a list of events"),
    ],
    ids=["bomb", "plain", "fifty", "cut", "damaged", "json", "object"],
)
def test_a_bad_recording_is_refused_in_one_line(fresh: Server, recording: bytes, status: int, says: str) -> None:
    replay = uuid.uuid4().hex
    answer = fresh.browsers(segment(replay, 0, recording))
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(says)
    assert answer.headers["x-sentry-error"].startswith(says)
    assert fresh.ask("/replays/", query=f"id:{replay}")["data"] == []


def test_a_replay_of_50_mb_is_kept_as_far_as_it_may_go(fresh: Server) -> None:
    """Its segments are refused from some point on, with what makes the SDK end its recording."""
    replay, memory = uuid.uuid4().hex, fresh.memory_mib()
    noise = [uuid.uuid4().hex for _ in range(1000)]
    answers = []
    for number in range(100):
        events_ = orjson.dumps([{"type": 3, "data": [noise[(n * 7 + number * 13) % 1000] for n in range(14_000)]}])
        answers.append(fresh.browsers(segment(replay, number, zlib.compress(events_, 1))))
    kinds = [answer.status_code for answer in answers]
    taken = kinds.count(200)
    assert kinds == [200] * taken + [413] * (100 - taken)
    assert 3 < taken < 100
    assert answers[-1].json()["detail"] == f"replay {replay}: it has 3145728 bytes, and a replay may not have more"
    assert len(ask(fresh, f"/replays/{replay}/recording-segments/", per_page=2)) == 2
    assert fresh.memory_mib() < memory + 100


def test_the_oldest_recordings_go_first(own: Server) -> None:
    recording = b"[" + orjson.dumps({"type": 3, "data": uuid.uuid4().hex * 60_000})[:1_900_000] + b'"}]'
    names = [f"{n + 1:032x}" for n in range(14)]
    for name in names:
        assert own.browsers(segment(name, 0, recording)).status_code == 200
    kept = [name for name in names if ask(own, f"/replays/{name}/recording-segments/")]
    assert kept == names[-len(kept) :]
    assert 10 <= len(kept) < 14
    assert len(own.ask("/replays/")["data"]) == 14, "that they were is still known"
    assert "not here" in own.http.get(f"/board/data/replays/{names[0]}/0").json()["detail"]


def test_a_replay_is_of_its_project_and_of_the_senders_release(fresh: Server) -> None:
    replay = uuid.uuid4().hex
    refused = fresh.browsers(segment(replay, 0, events(), release="payment@1.5.0"))
    assert refused.status_code == 403
    assert fresh.browsers(segment(replay, 0, events())).status_code == 200
    assert status(fresh, f"/replays/{replay}/recording-segments/") == 200
    other = f"/api/0/projects/reelback/reelback/replays/{replay}/recording-segments/"
    assert fresh.http.get(other, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404
    for path in ("0" * 32, "nonsense"):
        assert status(fresh, f"/replays/{path}/recording-segments/") == 404
    assert status(fresh, f"/replays/{replay}/recording-segments/7/") == 404
    assert status(fresh, f"/replays/{replay}/recording-segments/x/") == 404
    assert fresh.http.get(f"{PROJECT}/replays/{replay}/recording-segments/").status_code == 401
    assert fresh.send(segment(replay, 0, events()), "3", BROWSER_KEY).status_code == 403, "the release is web's"
    assert (
        fresh.send(segment(uuid.uuid4().hex, 0, events(), release="admin@1.0.0"), "3", BROWSER_KEY).status_code == 200
    )


def test_the_page_of_a_replay_loads_nothing_from_elsewhere(fresh: Server) -> None:
    policy = fresh.http.get(f"/replays/{REPLAY}").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe-inline" not in fresh.http.get("/").headers["content-security-policy"]
    assert fresh.http.get("/board/player.js").status_code == 404, "this server was given no player"
