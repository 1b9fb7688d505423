"""Workloads are Deployments of one namespace, candidates are Deployments beside them, players are a Job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient, operators
from lightkube.models.meta_v1 import LabelSelector, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import Pod
from lightkube.types import CascadeType, PatchType

from reelback_operator.platforms.base import Change, PlatformError, Workload
from reelback_operator.platforms.manifests import (
    LOAD_NAME,
    TRACK_LABEL,
    candidate_deployment,
    candidate_name,
    given,
    load_job,
    load_rps,
    stable_patch,
)
from reelback_operator.platforms.tracks import workload

FIELD_MANAGER = "reelback-operator"
SECONDS = 30.0
Terms = dict[str, str | operators.Operator[Any] | Iterable[Any] | None]
Found = TypeVar("Found", Deployment, Job, CronJob)
Owned = TypeVar("Owned", Deployment, Job)


class KubernetesPlatform:
    """The platform of one scenario: what it makes belongs to the scenario and is garbage-collected with it.

    What another scenario made is never changed: the operation is refused.
    """

    def __init__(self, client: AsyncClient, namespace: str, owner: OwnerReference) -> None:
        """`owner` refers to the SentryScenario, which is in `namespace`."""
        self._client = client
        self._namespace = namespace
        self._owner = owner

    async def observe(self, names: Sequence[str]) -> Mapping[str, Workload | None]:
        """The workloads of these names; None for one that does not exist."""
        async with _answered("reading the Deployments and their pods"):
            return {name: await self._workload(name) for name in names}

    async def set_candidate(self, name: str, change: Change, replicas: int) -> None:
        """Apply the candidate's Deployment."""
        async with _answered(f"running the candidate of {name}"):
            wanted = candidate_deployment(await self._target(name), change, replicas, self._owner)
            await self._mine(Deployment, candidate_name(name))
            await self._client.patch(
                Deployment,
                candidate_name(name),
                wanted,
                namespace=self._namespace,
                patch_type=PatchType.APPLY,
                field_manager=FIELD_MANAGER,
                force=True,
            )

    async def remove_candidate(self, name: str) -> None:
        """Delete the candidate's Deployment; its pods drain as they do in any rolling update."""
        async with _answered(f"removing the candidate of {name}"):
            await self._delete(Deployment, candidate_name(name))

    async def set_stable(self, name: str, change: Change) -> None:
        """Patch the target; its Deployment then rolls as it always does."""
        async with _answered(f"changing {name}"):
            patch = stable_patch(await self._target(name), change)
            await self._client.patch(Deployment, name, patch, namespace=self._namespace, field_manager=FIELD_MANAGER)

    async def set_load(self, rps: float) -> None:
        """Run the CronJob `load` now, as the Job `load`; one that runs at another rate or has ended is replaced."""
        async with _answered(f"running the Job {LOAD_NAME}"):
            cronjob = await self._found(CronJob, LOAD_NAME)
            if cronjob is None:
                raise PlatformError(f"no CronJob {LOAD_NAME} in namespace {self._namespace} to take the players from")
            wanted = load_job(cronjob, rps, self._owner)
            running = await self._mine(Job, LOAD_NAME)
            if running is not None and load_rps(running) == load_rps(wanted) and not _ended(running):
                return
            await self._delete(Job, LOAD_NAME)
            await self._client.create(wanted)

    async def remove_load(self) -> None:
        """Delete the Job `load` and its pods."""
        async with _answered(f"ending the Job {LOAD_NAME}"):
            await self._delete(Job, LOAD_NAME)

    async def _workload(self, name: str) -> Workload | None:
        target = await self._found(Deployment, name)
        if target is None:
            return None
        candidate = await self._found(Deployment, candidate_name(name))
        selector = _every_track(given(target.spec).selector)
        pods = [pod async for pod in self._client.list(Pod, namespace=self._namespace, labels=selector)]
        return workload(name, target, candidate, pods, datetime.now(UTC))

    async def _target(self, name: str) -> Deployment:
        target = await self._found(Deployment, name)
        if target is None:
            raise PlatformError(f"no Deployment {name} in namespace {self._namespace}")
        return target

    async def _found(self, kind: type[Found], name: str) -> Found | None:
        try:
            return await self._client.get(kind, name, namespace=self._namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    async def _mine(self, kind: type[Owned], name: str) -> Owned | None:
        """The object if this scenario made it, None if there is none; PlatformError if it is somebody else's."""
        found = await self._found(kind, name)
        if found is None or self._owns(found):
            return found
        raise PlatformError(f"{kind.__name__} {name} exists already and does not belong to this scenario")

    def _owns(self, found: Deployment | Job) -> bool:
        references = given(found.metadata).ownerReferences or []
        return any(reference.uid == self._owner.uid for reference in references)

    async def _delete(self, kind: type[Owned], name: str) -> None:
        """Delete the object if this scenario made it."""
        found = await self._found(kind, name)
        if found is None or not self._owns(found):
            return
        try:
            await self._client.delete(kind, name, namespace=self._namespace, cascade=CascadeType.BACKGROUND)
        except ApiError as error:
            if error.status.code != 404:
                raise


@asynccontextmanager
async def _answered(doing: str) -> AsyncIterator[None]:
    """Give what is done inside 30 s, and tell what went wrong as a PlatformError."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except ApiError as error:
        raise PlatformError(f"{doing}: {error.status.message}") from error
    except httpx2.HTTPError as error:
        raise PlatformError(f"{doing}: the API server: {str(error) or type(error).__name__}") from error
    except TimeoutError as error:
        raise PlatformError(f"{doing}: the API server took longer than {SECONDS:g} s") from error


def _ended(job: Job) -> bool:
    conditions = (job.status.conditions if job.status else None) or []
    return any(condition.type in ("Complete", "Failed") and condition.status == "True" for condition in conditions)


def _every_track(selector: LabelSelector) -> Terms:
    """What selects a target's pods, the candidate's too: its selector without the track, in lightkube's terms."""
    terms: Terms = {key: value for key, value in (selector.matchLabels or {}).items() if key != TRACK_LABEL}
    for expression in selector.matchExpressions or []:
        meanings: dict[str, operators.Operator[Any]] = {
            "In": operators.in_(expression.values or []),
            "NotIn": operators.not_in(expression.values or []),
            "Exists": operators.exists(),
            "DoesNotExist": operators.not_exists(),
        }
        terms[expression.key] = meanings[expression.operator]
    return terms
