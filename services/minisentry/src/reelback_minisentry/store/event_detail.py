"""What is kept of an error event for its issue's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelback_minisentry.untrusted import debug_id, hex_id, obj, objects, text

MAX_EXCEPTIONS = 5
MAX_FRAMES = 30
MAX_BREADCRUMBS = 30
MAX_TAGS = 50
MAX_SCRIPTS = 100
MAX_CONTEXTS, MAX_FACTS = 10, 20
MAX_AROUND, MAX_LINE = 5, 300


def detail(event: dict[str, Any]) -> dict[str, object]:
    """What is kept of an issue's latest event for a page. Local variables and headers are not, and of the user only
    the id."""
    scripts = debug_ids(event)
    return {
        "exceptions": [
            {
                "type": text(exception.get("type")),
                "value": text(exception.get("value"), 1000),
                "frames": _frames(exception, scripts),
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
        "contexts": _contexts(event.get("contexts")),
        "replay": replay_of(event),
        "user": text(obj(event.get("user")).get("id")),
        "fingerprint": [text(part) for part in _list(event.get("fingerprint"))],
        "serverName": text(event.get("server_name")),
        "sdk": text(obj(event.get("sdk")).get("name")),
    }


def _contexts(contexts: object) -> dict[str, dict[str, object]]:
    """Those that a service made itself; of each what is a text or a figure, and texts and figures one level below."""
    own = {name: value for name, value in obj(contexts).items() if name not in ("trace", "flags", "replay")}
    return {
        text(name, 64): {
            text(key, 64): {text(k, 64): _leaf(v) for k, v in list(value.items())[:MAX_FACTS]}
            if isinstance(value, dict)
            else _leaf(value)
            for key, value in list(obj(context).items())[:MAX_FACTS]
        }
        for name, context in list(own.items())[:MAX_CONTEXTS]
    }


def _leaf(value: object) -> object:
    return value if isinstance(value, bool | int | float) else text(value)


def _list(value: object) -> list[object]:
    return value[:MAX_FACTS] if isinstance(value, list) else []


def _frame(frame: dict[str, Any], scripts: Mapping[str, str]) -> dict[str, object]:
    kept: dict[str, object] = {
        "filename": text(frame.get("filename")),
        "function": text(frame.get("function")),
        "lineno": frame.get("lineno") if isinstance(frame.get("lineno"), int) else None,
        "line": text(frame.get("context_line"), MAX_LINE),
        "inApp": frame.get("in_app") is True,
        "context": [],
    }
    if script := scripts.get(script_of(frame)):
        colno = frame.get("colno")
        kept |= {"debugId": script, "colno": colno if isinstance(colno, int) else None}
    return kept


def _frames(exception: dict[str, Any], scripts: Mapping[str, str]) -> list[dict[str, object]]:
    """Each with its line, and the innermost of the application itself with the lines around it."""
    sent = frames(exception)
    kept = [_frame(frame, scripts) for frame in sent]
    for frame, shown in reversed([*zip(sent, kept, strict=True)]):
        if shown["inApp"]:
            shown["context"] = _around(frame)
            break
    return kept


def _around(frame: dict[str, Any]) -> list[tuple[int, str]]:
    """Lines of the source with their numbers, as Sentry shows them; [] when the frame has none."""
    number, line = frame.get("lineno"), frame.get("context_line")
    if not isinstance(number, int) or not isinstance(line, str):
        return []
    before, after = frame.get("pre_context"), frame.get("post_context")
    above = before[-MAX_AROUND:] if isinstance(before, list) else []
    below = after[:MAX_AROUND] if isinstance(after, list) else []
    return [(number - len(above) + at, text(each, MAX_LINE)) for at, each in enumerate([*above, line, *below])]


def _breadcrumbs(event: dict[str, Any]) -> list[dict[str, Any]]:
    crumbs = event.get("breadcrumbs")
    return objects(crumbs.get("values") if isinstance(crumbs, dict) else crumbs, MAX_BREADCRUMBS)


def tags_of(event: dict[str, Any]) -> dict[str, str]:
    """The tags of an event, each cut."""
    return _tags(event.get("tags"))


def _tags(tags: object) -> dict[str, str]:
    """Tags come as an object or as a list of pairs."""
    if isinstance(tags, list):
        tags = {text(entry[0]): entry[1] for entry in tags if isinstance(entry, list) and len(entry) == 2}
    return {text(key): text(value) for key, value in list(obj(tags).items())[:MAX_TAGS]}


def exceptions(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The chain, innermost cause first; a bare exception object and a bare list are legal, too."""
    raw = event.get("exception")
    values = raw.get("values", [raw]) if isinstance(raw, dict) else raw
    return objects(values, MAX_EXCEPTIONS)


def frames(exception: dict[str, Any]) -> list[dict[str, Any]]:
    """The stack frames of an exception, the innermost last."""
    return objects(obj(exception.get("stacktrace")).get("frames"), MAX_FRAMES)


def replay_of(event: dict[str, Any]) -> str:
    """The id of the replay in which an event happened; "" for none. SDKs name it as a context or as a tag."""
    context = obj(obj(event.get("contexts")).get("replay"))
    return hex_id(context.get("replay_id"), 32) or hex_id(tags_of(event).get("replayId"), 32)


def debug_ids(event: dict[str, Any]) -> dict[str, str]:
    """The debug ids of an event's scripts by their address; {} for most events."""
    if "debug_meta" not in event:
        return {}
    images = objects(obj(event.get("debug_meta")).get("images"), MAX_SCRIPTS)
    found = {
        image.get("code_file"): debug_id(image.get("debug_id")) for image in images if image.get("type") == "sourcemap"
    }
    return {file: id_ for file, id_ in found.items() if isinstance(file, str) and id_}


def script_of(frame: dict[str, Any]) -> str:
    """The address of the script that a frame is of; "" when it does not say."""
    found = frame.get("abs_path") or frame.get("filename")
    return found if isinstance(found, str) else ""
