"""Which scenario has a target to itself: a Lease for each, that belongs to the scenario and goes with it."""

from __future__ import annotations

from typing import Any

from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.coordination_v1 import Lease

from reelback_operator.engine.model.resource import ENDS
from reelback_operator.platforms.base import PlatformError
from reelback_operator.platforms.manifests import MANAGED_BY
from reelback_operator.platforms.templates import given
from reelback_operator.store import SentryScenario


class Claims:
    """The claims of one scenario, in its namespace."""

    def __init__(self, client: AsyncClient, namespace: str, owner: OwnerReference) -> None:
        """`owner` refers to the SentryScenario."""
        self._client = client
        self._namespace = namespace
        self._owner = owner

    async def take(self, name: str) -> None:
        """Make the target of this name the scenario's. PlatformError while another one's run has it."""
        lease = await self._lease(name)
        mine = Lease(
            metadata=ObjectMeta(
                name=_lease_name(name), namespace=self._namespace, labels=MANAGED_BY, ownerReferences=[self._owner]
            ),
            spec=LeaseSpec(holderIdentity=self._owner.name),
        )
        if lease is not None and self._holds(lease):
            return
        try:
            if lease is None:
                await self._client.create(mine)
            elif holder := await self._running(lease, name):
                raise PlatformError(f"{name} takes part in a run of scenario {holder}, until that has ended")
            else:
                given(mine.metadata).resourceVersion = given(lease.metadata).resourceVersion
                await self._client.replace(mine)
        except ApiError as error:
            if error.status.code != 409:
                raise
            raise PlatformError(f"{name} was just claimed by another scenario") from error

    async def drop(self, name: str) -> None:
        """Give the claim up, if there is one."""
        lease = await self._lease(name)
        if lease is None or not self._holds(lease):
            return
        try:
            await self._client.delete(Lease, _lease_name(name), namespace=self._namespace)
        except ApiError as error:
            if error.status.code != 404:
                raise

    def _holds(self, lease: Lease) -> bool:
        return any(each.uid == self._owner.uid for each in given(lease.metadata).ownerReferences or [])

    async def _lease(self, name: str) -> Lease | None:
        try:
            return await self._client.get(Lease, _lease_name(name), namespace=self._namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    async def _running(self, lease: Lease, name: str) -> str:
        """The scenario whose run has the target, or nothing: it is gone, has ended, or is about other targets now."""
        owner = next(iter(given(lease.metadata).ownerReferences or []), None)
        if owner is None:
            return ""
        try:
            scenario = dict(await self._client.get(SentryScenario, owner.name, namespace=self._namespace))
        except ApiError as error:
            if error.status.code == 404:
                return ""
            raise
        same = scenario["metadata"]["uid"] == owner.uid
        ended = (scenario.get("status") or {}).get("phase") in ENDS
        return owner.name if same and not ended and name in _targets(scenario["spec"]) else ""


def _lease_name(name: str) -> str:
    return f"reelback-{name}"


def _targets(spec: dict[str, Any]) -> set[str]:
    released = {target["name"] for target in (spec.get("release") or {}).get("targets", [])}
    return released | {fault["target"] for fault in spec.get("faults") or []}
