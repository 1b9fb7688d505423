"""SentryScenarios in the API server: read, status written, Kubernetes Events told."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from httpx2 import HTTPStatusError
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.core_v1 import ObjectReference
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.events_v1 import Event

from reelback_operator.engine.model.resource import API_VERSION, ENDS, KIND, Spec

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "sentryscenarios"
CONTROLLER = "reelback.dev/operator"
# Somebody who writes to a scenario as often as that is waited for until the next look.
SAVE_ATTEMPTS = 5
# The API server counts the bytes of an Event's note.
NOTE_BYTES = 1024
SentryScenario = create_namespaced_resource(GROUP, VERSION, KIND, PLURAL)


class Conflict(Exception):
    """Somebody wrote or deleted the scenario since it was read: read it again and decide anew."""


@dataclass
class Resource:
    """A SentryScenario as the API server has it; `manifest` is what kubectl would show."""

    manifest: Mapping[str, Any]
    namespace: str = field(init=False)
    name: str = field(init=False)
    uid: str = field(init=False)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        metadata = self.manifest["metadata"]
        self.namespace, self.name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self.version = metadata["resourceVersion"]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as it was last read or written."""
        return self.manifest.get("status") or {}

    @property
    def intent(self) -> tuple[int, Mapping[str, str]]:
        """What the user says in it: the spec's generation, and the annotations that are meant for the operator."""
        metadata = self.manifest["metadata"]
        annotations = metadata.get("annotations") or {}
        return metadata["generation"], {key: annotations[key] for key in annotations if key.startswith(f"{GROUP}/")}

    @property
    def finished(self) -> bool:
        """Whether the run that the spec asks for has ended: there is nothing to do until runId changes.

        A spec that could not be run has no runId in the status, and is looked at again as soon as it is another one.
        """
        if self.status.get("phase") not in ENDS:
            return False
        run = self.status.get("runId")
        if run is None:
            return bool(self.status.get("observedGeneration") == self.manifest["metadata"]["generation"])
        return bool(run == self.manifest["spec"].get("runId", Spec.model_fields["run_id"].default))

    def same_run(self, other: Resource) -> bool:
        """Whether the other differs in what neither the user means for the operator nor the operator wrote."""
        return (self.uid, self.intent, self.status) == (other.uid, other.intent, other.status)

    def take(self, manifest: Mapping[str, Any]) -> None:
        """Take over what the API server has now."""
        self.manifest, self.version = manifest, manifest["metadata"]["resourceVersion"]

    @property
    def owner(self) -> OwnerReference:
        """The reference by which what a run creates is garbage-collected with the scenario."""
        return OwnerReference(apiVersion=API_VERSION, kind=KIND, name=self.name, uid=self.uid, controller=True)


class Store:
    """Access to the SentryScenarios of a cluster."""

    def __init__(self, client: AsyncClient, instance: str) -> None:
        """`instance` names this process in Events."""
        self._client = client
        self._instance = instance

    async def served(self, namespace: str, seconds: float) -> bool:
        """Whether the API server knows SentryScenarios, which just after an installation may take it `seconds`."""
        end = time.monotonic() + seconds
        while True:
            try:
                _ = [each async for each in self._client.list(SentryScenario, namespace=namespace, chunk_size=1)]
            except HTTPStatusError as error:
                if error.response.status_code != 404:
                    raise
                if time.monotonic() > end:
                    return False
                await asyncio.sleep(1)
            else:
                return True

    async def read(self, namespace: str, name: str) -> Resource | None:
        """The scenario as it is now, None when there is none.

        A 404 without Kubernetes' own status comes from a server that does not know the CRD (yet): that is an error.
        """
        try:
            return Resource(dict(await self._client.get(SentryScenario, name, namespace=namespace)))
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    async def save(self, resource: Resource, status: Mapping[str, Any]) -> None:
        """Write the status if neither spec nor status was written since it was read, else raise Conflict.

        Somebody else's annotation or label is no reason to look again. `resource` is then up to date again.
        """
        for _ in range(SAVE_ATTEMPTS):
            body = SentryScenario.Status(
                apiVersion=API_VERSION,
                kind=KIND,
                metadata=ObjectMeta(name=resource.name, namespace=resource.namespace, resourceVersion=resource.version),
                spec=resource.manifest["spec"],
                status=status,
            )
            try:
                resource.take(dict(await self._client.replace(body)))
                return
            except ApiError as error:
                if error.status.code not in (404, 409):
                    raise
            now = await self.read(resource.namespace, resource.name)
            if now is None or not resource.same_run(now):
                raise Conflict
            resource.take(now.manifest)
        raise Conflict

    async def tell(self, resource: Resource, at: datetime, reason: str, note: str, *, warning: bool) -> None:
        """Record a Kubernetes Event about the scenario; the same one a second time changes nothing."""
        identity = hashlib.sha256(f"{resource.uid} {at.isoformat()} {reason} {note}".encode()).hexdigest()
        event = Event(
            metadata=ObjectMeta(name=f"{resource.name}.{identity[:16]}", namespace=resource.namespace),
            eventTime=at,
            regarding=ObjectReference(
                apiVersion=API_VERSION, kind=KIND, name=resource.name, namespace=resource.namespace, uid=resource.uid
            ),
            type="Warning" if warning else "Normal",
            reason=reason,
            action=reason,
            note=note.encode()[:NOTE_BYTES].decode(errors="ignore"),
            reportingController=CONTROLLER,
            reportingInstance=self._instance,
        )
        try:
            await self._client.create(event)
        except ApiError as error:
            if error.status.code != 409:
                raise
