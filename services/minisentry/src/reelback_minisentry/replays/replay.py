"""A replay as Sentry's API shows it, out of what the browser said of each of its segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import orjson

from reelback_minisentry.timestamps import iso

SEARCHED = ("id", "release", "environment", "platform", "replay_type", "user.id", "trace_id", "error_id", "url")
ALIASES = {"trace": "trace_id", "trace_ids": "trace_id", "error_ids": "error_id", "urls": "url", "releases": "release"}
"""What a search may name; of traces, errors and addresses a replay has many."""

SORTED = ("started_at", "finished_at", "duration", "count_errors", "count_segments", "activity")


def load(replay_id: str, kept: Mapping[str, bytes]) -> dict[str, Any]:
    """The replay; `kept` has what is kept of its segments by their numbers, at least one."""
    segments = [orjson.loads(kept[number]) for number in sorted(kept, key=int)]
    last = segments[-1]
    ended = max(segment["ended"] for segment in segments)
    started = min(segment["started"] or segment["ended"] for segment in segments)
    errors, urls = _all(segments, "errors"), _all(segments, "urls")
    return {
        "id": replay_id,
        "project_id": last["origin"]["project"],
        "trace_ids": _all(segments, "traces"),
        "error_ids": errors,
        "environment": last["origin"]["environment"] or None,
        "tags": {name: [value] for name, value in last["tags"].items()},
        "user": {
            "id": last["user"] or None,
            **dict.fromkeys(("username", "email", "ip")),
            "display_name": last["user"] or None,
            "geo": dict.fromkeys(("city", "country_code", "region", "subdivision")),
        },
        "sdk": {name: value or None for name, value in last["sdk"].items()},
        "os": _nothing("name", "version"),
        "browser": _nothing("name", "version"),
        "device": _nothing("name", "brand", "model", "family"),
        "ota_updates": _nothing("channel", "runtime_version", "update_id"),
        "is_archived": False,
        "urls": urls,
        "segment_names": _all(segments, "names"),
        "clicks": [],
        "count_dead_clicks": 0,
        "count_rage_clicks": 0,
        "count_errors": len(errors),
        "duration": round(ended - started),
        "finished_at": iso(ended),
        "started_at": iso(started),
        "activity": min(10, len(errors) + len(urls)),
        "count_urls": len(urls),
        "replay_type": segments[0]["type"],
        "count_segments": len(segments),
        "platform": last["platform"],
        "releases": list(dict.fromkeys(filter(None, (segment["origin"]["release"] for segment in segments)))),
        "dist": last["dist"] or None,
        "count_warnings": 0,
        "count_infos": 0,
        "has_viewed": False,
    }


class _Any(str):
    """Texts, of which a search finds each."""

    def __new__(cls, texts: Iterable[str]) -> _Any:
        return super().__new__(cls, "\n".join(texts))

    def __eq__(self, other: object) -> bool:
        return other in self.split("\n")

    def __hash__(self) -> int:
        return super().__hash__()


def searched(replay: Mapping[str, Any]) -> Mapping[str, str]:
    """A replay as a row for a search without wildcards."""
    return {
        "id": replay["id"],
        "environment": replay["environment"] or "",
        "platform": replay["platform"],
        "replay_type": replay["replay_type"],
        "user.id": replay["user"]["id"] or "",
        "release": _Any(replay["releases"]),
        "trace_id": _Any(replay["trace_ids"]),
        "error_id": _Any(replay["error_ids"]),
        "url": _Any(replay["urls"]),
    }


def _all(segments: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """What any of the segments names, once each, in their order."""
    return list(dict.fromkeys(chain.from_iterable(segment[name] for segment in segments)))


def _nothing(*names: str) -> dict[str, None]:
    return dict.fromkeys(names)
