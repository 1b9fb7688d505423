"""Segments of replays, out of the two items that come together: `replay_event` and `replay_recording`."""

from __future__ import annotations

from typing import Any

import orjson

from reelback_minisentry.ingest.envelope import decompress
from reelback_minisentry.spans.sdk import user_of
from reelback_minisentry.store import event_detail
from reelback_minisentry.store.records import Origin, ReplaySegment
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import Rejected, count, hex_id, obj, text

MAX_UNPACKED = 4 * 1024 * 1024
"""Bytes of a segment's recording, unpacked."""

MAX_SEGMENTS = 10_000
MAX_NAMED = 50
"""Addresses, traces and errors that a segment may name."""

LONGEST = 3600.0
"""Seconds that a replay may span, as the SDK has it."""


def read(event: dict[str, Any], recording: bytes, project: str, now: float) -> ReplaySegment | None:
    """A segment; None without the id of its replay."""
    replay_id, number = hex_id(event.get("replay_id"), 32), count(event.get("segment_id"))
    if not replay_id or number >= MAX_SEGMENTS:
        return None
    origin = Origin(text(event.get("environment"), 64), project, text(event.get("release")))
    ended, started = near(seconds(event.get("timestamp")), now), seconds(event.get("replay_start_timestamp"))
    sdk = obj(event.get("sdk"))
    about = {
        "origin": origin,
        "started": started if started is not None and ended - LONGEST <= started <= ended else None,
        "ended": ended,
        "type": "buffer" if event.get("replay_type") == "buffer" else "session",
        "urls": [text(url, 1000) for url in _list(event.get("urls"))],
        "names": [text(name) for name in _list(event.get("segment_names"))],
        "traces": [id_ for trace in _list(event.get("trace_ids")) if (id_ := hex_id(trace, 32))],
        "errors": [id_ for error in _list(event.get("error_ids")) if (id_ := hex_id(error, 32))],
        "platform": text(event.get("platform"), 64),
        "dist": text(event.get("dist"), 64),
        "sdk": {"name": text(sdk.get("name")), "version": text(sdk.get("version"))},
        "user": user_of({"user": {"id": obj(event.get("user")).get("id")}}),
        "tags": event_detail.tags_of(event),
    }
    # The first line names the segment once more.
    return ReplaySegment(replay_id, number, origin, about, recording.partition(b"\n")[2])


def checked(recording: bytes) -> int:
    """The bytes of a recording, unpacked: a list of events. Raises Rejected (400, 413). Takes time and memory."""
    try:
        plain = decompress(recording, "identity" if recording.startswith(b"[") else "deflate", MAX_UNPACKED)
        events = orjson.loads(plain)
    except Rejected as error:
        raise Rejected(error.status, f"replay_recording: {error.detail}") from None
    except orjson.JSONDecodeError:
        raise Rejected(400, "replay_recording: not valid JSON") from None
    if not isinstance(events, list):
        raise Rejected(400, "replay_recording: not a list of events")
    return len(plain)


def _list(value: object) -> list[Any]:
    return value[:MAX_NAMED] if isinstance(value, list) else []
