"""What is kept of an error event for its issue's page."""

from __future__ import annotations

from typing import Any

from reelback_minisentry.untrusted import obj, objects, text

MAX_EXCEPTIONS = 5
MAX_FRAMES = 30
MAX_BREADCRUMBS = 30
MAX_TAGS = 50


def detail(event: dict[str, Any]) -> dict[str, object]:
    """What is kept of an issue's latest event for a page. Local variables, headers and the user are not."""
    return {
        "exceptions": [
            {
                "type": text(exception.get("type")),
                "value": text(exception.get("value"), 1000),
                "frames": [_frame(frame) for frame in frames(exception)],
            }
            for exception in exceptions(event)
        ],
        "tags": _tags(event.get("tags")),
        "flags": {
            text(entry.get("flag")): str(entry.get("result")).lower()[:40]
            for entry in objects(obj(obj(event.get("contexts")).get("flags")).get("values"), MAX_TAGS)
        },
        "breadcrumbs": [
            {key: text(crumb.get(key), 300) for key in ("timestamp", "category", "level", "message")}
            for crumb in _breadcrumbs(event)
        ],
        "serverName": text(event.get("server_name")),
        "sdk": text(obj(event.get("sdk")).get("name")),
    }


def _frame(frame: dict[str, Any]) -> dict[str, object]:
    return {
        "filename": text(frame.get("filename")),
        "function": text(frame.get("function")),
        "lineno": frame.get("lineno") if isinstance(frame.get("lineno"), int) else None,
        "line": text(frame.get("context_line"), 300),
        "inApp": frame.get("in_app") is True,
    }


def _breadcrumbs(event: dict[str, Any]) -> list[dict[str, Any]]:
    crumbs = event.get("breadcrumbs")
    return objects(crumbs.get("values") if isinstance(crumbs, dict) else crumbs, MAX_BREADCRUMBS)


def _tags(tags: object) -> dict[str, str]:
    """Tags come as an object or as a list of pairs."""
    if isinstance(tags, list):
        tags = {entry[0]: entry[1] for entry in tags if isinstance(entry, list) and len(entry) == 2}
    return {text(key): text(value) for key, value in list(obj(tags).items())[:MAX_TAGS]}


def exceptions(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The chain, innermost cause first; a bare exception object and a bare list are legal, too."""
    raw = event.get("exception")
    values = raw.get("values", [raw]) if isinstance(raw, dict) else raw
    return objects(values, MAX_EXCEPTIONS)


def frames(exception: dict[str, Any]) -> list[dict[str, Any]]:
    """The stack frames of an exception, the innermost last."""
    return objects(obj(exception.get("stacktrace")).get("frames"), MAX_FRAMES)
