"""Workloads are Deployments of one namespace, candidates are Deployments beside them, players are a Job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient, operators
from lightkube.models.meta_v1 import LabelSelector, OwnerReference
from lightkube.resources.apps_v1 import DaemonSet, Deployment, ReplicaSet, StatefulSet
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import ConfigMap, Pod, PodLog
from lightkube.types import CascadeType, PatchType

from reelback_operator.platforms.base import Change, PlatformError, Target, Track, Workload
from reelback_operator.platforms.claims import Claims
from reelback_operator.platforms.manifests import (
    FIELD_MANAGER,
    LOAD_NAME,
    candidate_deployment,
    candidate_name,
    has_browser,
    load_job,
    ownership_patch,
    players,
    stable_patch,
)
from reelback_operator.platforms.pods import Ailment
from reelback_operator.platforms.releases import config_maps
from reelback_operator.platforms.templates import TRACK_LABEL, Ambiguous, given, read
from reelback_operator.platforms.tracks import Seen, earlier, workload

SECONDS = 30.0
# A container's last words in a status: lines, and characters in all.
LOG_LINES, LOG_CHARACTERS = 3, 300
Terms = dict[str, str | operators.Operator[Any] | Iterable[Any] | None]
Found = TypeVar("Found", Deployment, Job, CronJob, StatefulSet, DaemonSet, ConfigMap)
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
        self._claims = Claims(client, namespace, owner)

    async def observe(self, targets: Sequence[Target]) -> Mapping[str, Workload | None]:
        """The workloads of these targets by name; None for one that does not exist."""
        async with _answered("reading the Deployments and their pods"):
            return {target.name: await self._workload(target) for target in targets}

    async def claim(self, target: Target) -> None:
        """Take the target's Lease."""
        async with _answered(f"claiming {target.name}"):
            await self._claims.take(target.name)

    async def release(self, target: Target) -> None:
        """Own no field of the target any more, and no Lease of it."""
        async with _answered(f"giving {target.name} back"):
            await self._disown(target.name)
            await self._claims.drop(target.name)

    async def set_candidate(self, target: Target, change: Change, replicas: int) -> None:
        """Create the candidate's Deployment, or replace it where it is another than that."""
        async with _answered(f"running the candidate of {target.name}"):
            wanted = candidate_deployment(target, await self._deployment(target), change, replicas, self._owner)
            present = await self._mine(Deployment, candidate_name(target.name))
            if present is None:
                await self._client.create(wanted, field_manager=FIELD_MANAGER)
                return
            template, spec = given(wanted.spec).template, given(present.spec)
            if read(target, spec.template) == read(target, template) and spec.replicas == replicas:
                return
            given(wanted.metadata).resourceVersion = given(present.metadata).resourceVersion
            await self._client.replace(wanted, field_manager=FIELD_MANAGER)

    async def remove_candidate(self, target: Target) -> None:
        """Delete the candidate's Deployment; its pods drain as they do in any rolling update."""
        async with _answered(f"removing the candidate of {target.name}"):
            await self._delete(Deployment, candidate_name(target.name))

    async def set_stable(self, target: Target, change: Change) -> None:
        """Patch the target; its Deployment then rolls as it always does."""
        async with _answered(f"changing {target.name}"):
            patch = stable_patch(target, await self._deployment(target), change)
            await self._client.patch(
                Deployment,
                target.name,
                patch,
                namespace=self._namespace,
                patch_type=PatchType.JSON,
                field_manager=FIELD_MANAGER,
            )
            await self._disown(target.name)

    async def put_back(self, target: Target, before: str, variables: Sequence[str], *, image: bool) -> None:
        """Take what was there from the ReplicaSet that still has it."""
        async with _answered(f"putting {target.name} back"):
            deployment = await self._deployment(target)
            old = earlier(target, deployment, await self._replica_sets(deployment), before)
        if old is None:
            raise PlatformError(f"{target.name} has no ReplicaSet with its template from before the run any more")
        await self.set_stable(target, old.part(variables, image=image))

    async def set_load(self, rps: float, browsers: int = 0) -> int:
        """Run the CronJob `load` now, as the Job `load`; one with other players or that has ended is replaced."""
        async with _answered(f"running the Job {LOAD_NAME}"):
            cronjob = await self._found(CronJob, LOAD_NAME)
            if cronjob is None:
                raise PlatformError(f"no CronJob {LOAD_NAME} in namespace {self._namespace} to take the players from")
            wanted = load_job(cronjob, rps, browsers, self._owner)
            running = await self._mine(Job, LOAD_NAME)
            if running is None or players(running) != players(wanted) or _ended(running):
                await self._delete(Job, LOAD_NAME)
                await self._client.create(wanted)
            return browsers if has_browser(wanted) else 0

    async def remove_load(self) -> None:
        """Delete the Job `load` and its pods."""
        async with _answered(f"ending the Job {LOAD_NAME}"):
            await self._delete(Job, LOAD_NAME)

    async def _workload(self, target: Target) -> Workload | None:
        deployment = await self._found(Deployment, target.name)
        if deployment is None:
            return await self._another_kind(target)
        selector = _every_track(given(deployment.spec).selector)
        replica_sets = await self._replica_sets(deployment)
        pods = [each async for each in self._client.list(Pod, namespace=self._namespace, labels=selector)]
        candidate = await self._found(Deployment, candidate_name(target.name))
        health = workload(
            target,
            Seen(deployment, replica_sets, pods),
            candidate,
            {**await self._config_maps(target, deployment), **await self._config_maps(target, candidate)},
            datetime.now(UTC),
        )
        found, beside = health.workload, health.workload.candidate
        return replace(
            found,
            stable=await self._with_last_words(found.stable, health.stable),
            candidate=await self._with_last_words(beside, health.candidate) if beside else None,
        )

    async def _replica_sets(self, deployment: Deployment) -> list[ReplicaSet]:
        selector = _every_track(given(deployment.spec).selector)
        return [each async for each in self._client.list(ReplicaSet, namespace=self._namespace, labels=selector)]

    async def _config_maps(self, target: Target, deployment: Deployment | None) -> dict[str, Mapping[str, str]]:
        """What the ConfigMaps hold that the release may come from."""
        try:
            names = config_maps(target, given(deployment.spec).template) if deployment else set()
        except Ambiguous:  # told as the workload's obstacle
            return {}
        found = {name: await self._found(ConfigMap, name) for name in names}
        return {name: (each.data if each else None) or {} for name, each in found.items()}

    async def _another_kind(self, target: Target) -> Workload | None:
        """A workload that is no Deployment, so that this can be said."""
        found = await self._found(StatefulSet, target.name) or await self._found(DaemonSet, target.name)
        if found is None:
            return None
        obstacle = f"is a {type(found).__name__}, not a Deployment"
        return Workload(target.name, Track("", 0, 0), None, settled=False, obstacle=obstacle)

    async def _with_last_words(self, track: Track, ailment: Ailment | None) -> Track:
        """The track with the last lines of the container that ended, if they can be read."""
        if ailment is None or ailment.container is None:
            return track
        parameters = {"container": ailment.container, "tailLines": LOG_LINES, "previous": ailment.previous}
        # What AsyncClient.log does, which cannot ask for the log of the container before.
        requests = self._client._client
        asked = requests.prepare_request("get", PodLog, name=ailment.pod, namespace=self._namespace, params=parameters)
        try:
            answer: httpx2.Response = await requests.send(requests.build_adapter_request(asked))  # type: ignore[no-untyped-call]
        except httpx2.HTTPError:
            return track
        words = " ".join(answer.text.split())[-LOG_CHARACTERS:] if answer.is_success else ""
        return replace(track, problem=f"{track.problem}: {words}") if words else track

    async def _disown(self, name: str) -> None:
        """Own no field of the Deployment; once again if somebody wrote it meanwhile."""
        for _ in range(3):
            deployment = await self._found(Deployment, name)
            patch = ownership_patch(deployment) if deployment else []
            if not patch:
                return
            try:
                await self._client.patch(Deployment, name, patch, namespace=self._namespace, patch_type=PatchType.JSON)
            except ApiError as error:
                if error.status.code not in (404, 409, 422):
                    raise

    async def _deployment(self, target: Target) -> Deployment:
        deployment = await self._found(Deployment, target.name)
        if deployment is None:
            raise PlatformError(f"no Deployment {target.name} in namespace {self._namespace}")
        return deployment

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
    except Ambiguous as error:
        raise PlatformError(f"{doing}: it {error}") from error
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
