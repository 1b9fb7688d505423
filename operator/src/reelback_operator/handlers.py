"""What kopf hears of scenarios, handed to the runner.

Only `on.event` is used: it leaves no finalizer, annotation or status of kopf's own on a scenario. So `kubectl delete`
of a scenario, or of the whole CRD, never waits for an operator that may not be there. The events of kopf's first
listing are what resumes the runs that were on when the operator ended.
"""

from __future__ import annotations

from typing import Any

import kopf

from reelback_operator.runner import Runner
from reelback_operator.store import GROUP, PLURAL, VERSION, Resource

# Below the pod's grace period.
CLOSE_SECONDS = 20.0
WATCH_SECONDS = 300


def registry_of(runner: Runner) -> kopf.OperatorRegistry:
    """The handlers that feed the runner."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    def login(**cause: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**cause) or kopf.login_with_kubeconfig(**cause)

    @kopf.on.startup(registry=registry, id="configure")
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        # A watch whose connection died in silence is begun anew, with a listing of what it missed.
        settings.watching.server_timeout = WATCH_SECONDS
        settings.watching.client_timeout = WATCH_SECONDS + 10
        # Watching for namespaces and CRDs takes rights over the whole cluster.
        settings.scanning.disabled = True

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="scenario")
    async def scenario(event: kopf.RawEvent, **_: Any) -> None:
        resource = Resource(event["object"])
        if event["type"] == "DELETED":
            runner.deleted(resource)
        else:
            runner.seen(resource)

    @kopf.on.cleanup(registry=registry, id="close")
    async def close(**_: Any) -> None:
        await runner.close(CLOSE_SECONDS)

    return registry
