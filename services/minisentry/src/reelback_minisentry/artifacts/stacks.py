"""Stack traces of scripts as their authors know them: with the file, line and function that a source map has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from redis.exceptions import RedisError

from reelback_minisentry.artifacts.source_maps import Original, Place, SourceMaps
from reelback_minisentry.store.event_detail import MAX_LINE, debug_ids, exceptions, frames, script_of
from reelback_minisentry.untrusted import obj, text

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds; what takes longer is shown, and grouped, as it came."""

Frame = dict[str, Any]


class Stacks:
    """Reads stack traces: of events as they come, and of what is kept of them. What cannot be read stays as it is."""

    def __init__(self, maps: SourceMaps) -> None:
        self._maps = maps

    async def of_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """An event with the original frames, to group it by; None when nothing is known of them."""
        scripts = debug_ids(event)
        if not scripts:
            return None
        chain = exceptions(event)
        places = {id(frame): _place(frame, scripts) for exception in chain for frame in frames(exception)}
        found, _ = await self._originals(places.values())
        if not found:
            return None
        values = []
        for exception in chain:
            read = [_as_sent(frame, found.get(places[id(frame)])) for frame in frames(exception)]
            values.append({**exception, "stacktrace": {**obj(exception.get("stacktrace")), "frames": read}})
        return {**event, "exception": {"values": values}}

    async def of_kept(self, kept: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
        """Kept exceptions with original `frames`, and `raw` ones where they differ; and what could not be read, why."""
        chain = [*kept]
        places = {id(frame): _kept_place(frame) for exception in chain for frame in exception["frames"]}
        found, problems = await self._originals(places.values())
        shown = []
        for exception in chain:
            read = [_as_kept(frame, found.get(places[id(frame)])) for frame in exception["frames"]]
            changed = read != exception["frames"]
            shown.append({**exception, "frames": read, "raw": exception["frames"] if changed else None})
        return shown, [f"{debug_id}: {problem}" for debug_id, problem in problems.items()]

    async def _originals(self, places: Iterable[Place]) -> tuple[dict[Place, Original], dict[str, str]]:
        wanted = {place for place in places if place.is_one}
        if not wanted:
            return {}, {}
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._maps.originals(wanted)
        except TimeoutError:
            return {}, {place.debug_id: "reading its source map took too long" for place in wanted}
        except (RedisError, OSError):
            return {}, {place.debug_id: "the store does not answer" for place in wanted}


def _place(frame: Frame, scripts: Mapping[str, str]) -> Place:
    return Place(scripts.get(script_of(frame), ""), _number(frame.get("lineno")), _number(frame.get("colno")))


def _kept_place(frame: Mapping[str, Any]) -> Place:
    return Place(frame.get("debugId", ""), frame["lineno"] or 0, frame.get("colno") or 0)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _as_sent(frame: Frame, original: Original | None) -> Frame:
    if original is None:
        return frame
    path = path_of(script_of(frame), original.source)
    return {
        **frame,
        "filename": path,
        "module": "",
        "function": _function(frame, original),
        "in_app": _is_own(path) and frame.get("in_app") is not False,
    }


def _as_kept(frame: Frame, original: Original | None) -> Frame:
    if original is None:
        return frame
    path = path_of(frame["filename"], original.source)
    first = original.line - len(original.before)
    around = [*original.before, original.text, *original.after]
    return {
        **frame,
        "filename": text(path),
        "function": _function(frame, original),
        "lineno": original.line,
        "colno": original.column,
        "line": text(original.text, MAX_LINE),
        "inApp": _is_own(path) and frame["inApp"],
        "context": [(first + at, text(line, MAX_LINE)) for at, line in enumerate(around)],
    }


def _function(frame: Frame, original: Original) -> str:
    """The function's name in the sources; where the map does not know it, the name in the script."""
    return original.function if original.function not in ("", "<unknown>") else text(frame.get("function"))


def path_of(script: str, source: str) -> str:
    """The path of a source: below where the script's address begins, or, with a scheme of its own, below that."""
    try:
        path = urlsplit(urljoin(script, source)).path
    except ValueError:
        path = source
    return path.lstrip("/") or source


def _is_own(path: str) -> bool:
    """Whether a source is of the application itself; what is not is installed, or made by the bundler."""
    return "node_modules/" not in path and "\0" not in path
