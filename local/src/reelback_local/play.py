"""Plays one scenario on the local stack: looks, decides and acts until it is over."""

from __future__ import annotations

import asyncio
import fcntl
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from reelback_operator.controller import Controller
from reelback_operator.engine.model.resource import Phase, Scenario, SpecError, Status
from reelback_operator.engine.phases import faults
from reelback_operator.engine.phases.run import note
from reelback_operator.platforms.base import PlatformError
from reelback_operator.sentry import Sentry

from reelback_local import lastrun
from reelback_local.control import Control
from reelback_local.layout.home import Home
from reelback_local.layout.plan import WEB
from reelback_local.page.facts import Evidence, Run, gather
from reelback_local.platform import ProcessPlatform, chromium
from reelback_local.status import StackStatus

# The annotation that says when a scenario is played among others.
ACT = "reelback.dev/act"

# While something is awaited that does not take long, looks are not further apart than this.
BRISK = 1.0


class BadInput(Exception):
    """What the user gave cannot be used: one line a problem, each naming the field."""


class AlreadyPlaying(Exception):
    """Another process plays a scenario on this stack. The message is one line."""


class SentrySettings(BaseSettings):
    """The team's own Sentry, by the names of sentry-cli."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    sentry_url: str = Field(default="https://sentry.io", pattern="^https?://")
    sentry_org: str
    sentry_project: str
    sentry_auth_token: str


def read(place: Path) -> list[dict[str, Any]]:
    """The manifest in a file, or all in a folder in the order of their ACT, checked. Raises BadInput."""
    if not place.is_dir():
        return [_read(place)]
    files = sorted(place.glob("*.yaml"))
    if not files:
        raise BadInput(f"{place}: holds no scenario")
    return sorted(map(_read, files), key=_act)


def _act(manifest: Mapping[str, Any]) -> float:
    """When a scenario is played, in whole numbers or between two; those that do not say are last."""
    try:
        return float(manifest["metadata"]["annotations"][ACT])
    except (KeyError, TypeError, ValueError):
        return math.inf


def _read(file: Path) -> dict[str, Any]:
    try:
        manifest = yaml.safe_load(file.read_text())
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(manifest, dict):
        raise BadInput(f"{file}: holds no scenario")
    try:
        Scenario.load(manifest)
    except SpecError as error:
        raise BadInput("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None
    return manifest


def judges_pages(manifest: Mapping[str, Any]) -> bool:
    """Whether it releases web, which only players in browsers can find bad."""
    release = manifest["spec"].get("release") or {"targets": []}
    return any(target["name"] == WEB for target in release["targets"])


def lacks_browser(manifest: Mapping[str, Any]) -> bool:
    """Whether it judges the pages, and nobody here could use them."""
    return judges_pages(manifest) and not chromium()


async def play(manifest: Mapping[str, Any], stack: StackStatus, home: Home, tell: Callable[[Status], None]) -> Run:
    """Run the scenario to its end; `tell` gets every new status. Cancelled, it takes back what it did.

    A run of the same scenario that was cut off is gone on with. Raises BadInput, and AlreadyPlaying.
    """
    with _alone(home):
        return await _play(manifest, stack, home, tell)


async def _play(manifest: Mapping[str, Any], stack: StackStatus, home: Home, tell: Callable[[Status], None]) -> Run:
    scenario, evidence = Scenario.load(manifest), Evidence()
    scenario.status = lastrun.resumable(home.last_run, manifest)

    async def save(status: Status) -> None:
        await asyncio.to_thread(lastrun.save, home.last_run, manifest, status)
        scenario.status = status
        evidence.add(status)
        tell(status)

    async with Control(home) as control, _sentry(stack, home) as sentry:
        controller = Controller(ProcessPlatform(control, scenario.name), sentry)
        try:
            while not (status := await controller.tick(scenario, save)).complete:
                scenario.status = status
                interval = min(scenario.spec.analysis.interval, faults.pause(scenario.spec, status, datetime.now(UTC)))
                await asyncio.sleep(interval if status.phase is Phase.ANALYZING else min(interval, BRISK))
        except asyncio.CancelledError:
            await asyncio.shield(_interrupted(controller, scenario, save))
            raise
        return await gather(manifest, status, evidence, sentry)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Two runs at once would take each other's candidates for their own."""
    with home.run_lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyPlaying("another `reelback run` is on: wait for its end") from None
        yield


async def _interrupted(controller: Controller, scenario: Scenario, save: Callable[[Status], Any]) -> None:
    message = "interrupted; the change was taken back"
    try:
        await controller.abandon(scenario)
    except PlatformError as error:
        message = f"interrupted; the change could not be taken back: {error}"
    status = scenario.status.model_copy(update={"phase": Phase.ABORTED, "message": message})
    note(status, datetime.now(UTC), "Aborted", message)
    await save(status)


@asynccontextmanager
async def _sentry(stack: StackStatus, home: Home) -> AsyncIterator[Sentry]:
    if stack.minisentry:
        token = home.secrets(["MINISENTRY_TOKEN"])["MINISENTRY_TOKEN"]
        asked = Sentry(stack.minisentry, "reelback", "reelback", token, stack.environment)
    else:
        try:
            own = SentrySettings()
        except ValidationError as error:
            raise BadInput("\n".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())) from None
        asked = Sentry(own.sentry_url, own.sentry_org, own.sentry_project, own.sentry_auth_token, stack.environment)
    async with asked:
        yield asked
