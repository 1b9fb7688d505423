"""Carries out what the engine decides: observe, step, save, act.

The status is saved before anything is done, and every action is harmless when repeated: a controller killed between
any two of these lines goes on from the saved status and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from reelback_operator.engine import step as engine
from reelback_operator.engine.model.actions import (
    Action,
    Claim,
    GiveBack,
    MarkDeploy,
    MarkRelease,
    PutBack,
    RemoveCandidate,
    RemoveLoad,
    SetCandidate,
    SetLoad,
    SetStable,
)
from reelback_operator.engine.model.bounds import NARROW, Bounds
from reelback_operator.engine.model.observations import Observations
from reelback_operator.engine.model.resource import Scenario, Status
from reelback_operator.engine.questions import question
from reelback_operator.platforms.base import Platform, PlatformError
from reelback_operator.sentry import Sentry, SentryError

# A person's answer to a rollback that waits for one: the runId that it is for.
APPROVAL = "reelback.dev/approve-rollback"

Save = Callable[[Status], Awaitable[None]]


class Controller:
    """Runs scenarios on one platform, watched through one Sentry."""

    def __init__(self, platform: Platform, sentry: Sentry, scenario_url: str = "", bounds: Bounds = NARROW) -> None:
        """`scenario_url` is where a deploy in Sentry points to, or empty; `bounds` is what scenarios may change."""
        self._platform = platform
        self._sentry = sentry
        self._scenario_url = scenario_url
        self._bounds = bounds

    async def tick(self, scenario: Scenario, save: Save) -> Status:
        """Look once, decide, save, act; the status after that. Raises only what `save` raises."""
        seen = await self._observe(scenario)
        status, actions = engine.step(scenario.spec, scenario.status, seen, _now())
        await save(status)
        done, problems = await self._act(actions)
        told = engine.record(status, done, "; ".join(problems), _now())
        if told != status:
            await save(told)
        return told

    async def abandon(self, scenario: Scenario) -> None:
        """Undo what a scenario that was deleted while it ran left: candidates, changed workloads, players.

        Raises PlatformError when that did not succeed.
        """
        status = scenario.status
        if status.complete or status.run_id is None:
            return
        workloads = await self._platform.observe(scenario.spec.targets)
        _, problems = await self._act(engine.undo(scenario.spec, status, workloads, scenario.name, _now()))
        if problems:
            raise PlatformError("; ".join(problems))

    async def _observe(self, scenario: Scenario) -> Observations:
        spec, status = scenario.spec, scenario.status
        workloads, look, platform_problem, sentry_problem = None, None, "", ""
        try:
            workloads = await self._platform.observe(spec.targets)
        except PlatformError as error:
            platform_problem = str(error)
        asked = question(spec, status, _now())
        if asked is not None:
            try:
                look = await self._sentry.look(asked)
            except SentryError as error:
                sentry_problem = str(error)
        return Observations(
            workloads,
            look,
            asked,
            platform_problem,
            sentry_problem,
            generation=scenario.generation,
            approved=scenario.annotations.get(APPROVAL, ""),
            scenario=scenario.name,
            bounds=self._bounds,
        )

    async def _act(self, actions: Iterable[Action]) -> tuple[list[Action], list[str]]:
        """Carry the actions out; those that were, and why others were not. One that fails does not hold up the rest."""
        done, problems = [], []
        for action in actions:
            try:
                done.append(await self._carry_out(action))
            except (PlatformError, SentryError) as error:
                problems.append(str(error))
        return done, problems

    async def _carry_out(self, action: Action) -> Action:
        """The action as it was carried out."""
        match action:
            case Claim(targets):
                for target in targets:
                    await self._platform.claim(target)
            case GiveBack(targets):
                for target in targets:
                    await self._platform.release(target)
            case SetCandidate(target, change, replicas):
                await self._platform.set_candidate(target, change, replicas)
            case RemoveCandidate(target):
                await self._platform.remove_candidate(target)
            case SetStable(target, change):
                await self._platform.set_stable(target, change)
            case PutBack(target, before, variables, image):
                await self._platform.put_back(target, before, variables, image=image)
            case SetLoad(rps, browsers):
                return SetLoad(rps, browsers, await self._platform.set_load(rps, browsers))
            case RemoveLoad():
                await self._platform.remove_load()
            case MarkRelease():
                await self._sentry.mark_release(action)
            case MarkDeploy():
                await self._sentry.mark_deploy(action, self._scenario_url)
        return action


def _now() -> datetime:
    """Now, to the millisecond: that is what the status shows."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
