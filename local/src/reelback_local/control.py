"""Asks the supervisor over its socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import TypeAdapter
from reelback_operator.engine.model.workload import Change, Workload

from reelback_local.layout.home import Home
from reelback_local.status import StackStatus

TIMEOUT = 20.0
"""Seconds an operation may take: the longest ends the players."""

_WORKLOADS = TypeAdapter(dict[str, Workload | None])


class NotRunning(Exception):
    """No supervisor answers."""


class ControlError(Exception):
    """The supervisor did not carry out an operation. The message is one line."""


class Control:
    """A connection to the supervisor; an async context manager. Methods raise NotRunning and ControlError."""

    def __init__(self, home: Home) -> None:
        """`home` is the stack's folder."""
        connector = aiohttp.UnixConnector(str(home.socket))
        self._http = aiohttp.ClientSession(
            "http://supervisor", connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._http.close()

    async def status(self) -> StackStatus:
        """Every process, and where the stack is to be found."""
        return StackStatus.model_validate(await self._ask("GET", "/status"))

    async def down(self) -> None:
        """Begin to end the stack."""
        await self._ask("POST", "/down")

    async def workloads(self, names: Sequence[str]) -> Mapping[str, Workload | None]:
        """The services of these names; None for one that does not exist."""
        found = await self._ask("GET", "/workloads", params=[("name", name) for name in names])
        return _WORKLOADS.validate_python(found)

    async def set_candidate(self, name: str, change: Change, replicas: int, owner: str) -> None:
        """Run a candidate of a service for the scenario `owner`."""
        body = {"change": _plain(change), "replicas": replicas, "owner": owner}
        await self._ask("PUT", f"/workloads/{name}/candidate", json=body)

    async def remove_candidate(self, name: str) -> None:
        """End a service's candidate."""
        await self._ask("DELETE", f"/workloads/{name}/candidate")

    async def set_stable(self, name: str, change: Change) -> None:
        """Replace a service's processes."""
        await self._ask("PUT", f"/workloads/{name}/stable", json={"change": _plain(change)})

    async def put_back(self, name: str, before: str, variables: Sequence[str], *, image: bool) -> None:
        """Give a service's processes these variables, and the image if asked for, as they were in the template with the
        digest `before`."""
        body = {"before": before, "variables": [*variables], "image": image}
        await self._ask("PATCH", f"/workloads/{name}/stable", json=body)

    async def set_load(self, rps: float, browsers: int) -> None:
        """Run the players."""
        await self._ask("PUT", "/load", json={"rps": rps, "browsers": browsers})

    async def remove_load(self) -> None:
        """End the players."""
        await self._ask("DELETE", "/load")

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with self._http.request(method, path, **options) as answer:
                if answer.status == 200:
                    return await answer.json()
                if answer.status == 409:
                    raise ControlError((await answer.json())["detail"])
                raise ControlError(f"the supervisor answered {answer.status} to {method} {path}: see supervisor.log")
        except aiohttp.ClientConnectorError as error:
            raise NotRunning("the local stack is not running: start it with `reelback up`") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ControlError(f"the supervisor did not answer {method} {path}: {type(error).__name__}") from error


def _plain(change: Change) -> dict[str, Any]:
    return {"release": change.release, "image": change.image, "env": dict(change.env)}
