"""The supervisor as a process: `python -m reelback_local.processes.daemon`, started by `reelback up`.

Its stdin is a lifeline: when the other end closes, it ends, unless it read `stay` before. Its stdout tells of the
start, one JSON object a line. From then on it is asked over a socket in its home folder.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from aiohttp import web
from reelback_operator.engine.model.workload import Change

from reelback_local import lastrun, player, site
from reelback_local.layout import ports, values
from reelback_local.layout.home import Home
from reelback_local.layout.plan import ADMIN, HOST, MAILBOX, MINISENTRY, WEB, Plan, plan
from reelback_local.lifeline import STAY, Progress
from reelback_local.processes.child import StartError
from reelback_local.processes.instances import Instances, Refused
from reelback_local.processes.supervisor import Supervisor
from reelback_local.status import StackStatus

log = logging.getLogger(__name__)


class Daemon:
    """Serves a supervisor's operations until it is told to end."""

    def __init__(self, stack: Plan, home: Home) -> None:
        """`home` is this process's alone."""
        self._plan = stack
        self._home = home
        self._supervisor = Supervisor(stack, home, self._tell)
        self._ended = asyncio.Event()
        self._state = "starting"
        self._told: dict[str, str] = {}

    async def run(self) -> int:
        """Start, serve, end; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._ended.set)
        lifeline = asyncio.create_task(self._watch_lifeline(), name="lifeline")
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            self._home.socket.unlink(missing_ok=True)
            await web.UnixSite(runner, str(self._home.socket)).start()
            return await self._supervise()
        finally:
            lifeline.cancel()
            await self._supervisor.stop()
            await runner.cleanup()
            self._home.socket.unlink(missing_ok=True)

    async def _supervise(self) -> int:
        starting = asyncio.create_task(self._supervisor.start(), name="start")
        ended = asyncio.create_task(self._ended.wait(), name="end")
        try:
            await asyncio.wait({starting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                self._state = "ready"
                say(Progress(ready=True))
                await ended
            self._state = "stopping"
            return 0
        except StartError as error:
            say(Progress(error=str(error)))
            return 1
        finally:
            for task in (starting, ended):
                task.cancel()
            await asyncio.gather(starting, ended, return_exceptions=True)

    def _tell(self) -> None:
        if self._state != "starting":
            return
        for process in self._supervisor.processes():
            if self._told.get(process.name) != process.state:
                self._told[process.name] = process.state
                say(Progress(process=process.name, state=process.state, note=process.note))

    async def _watch_lifeline(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        if STAY not in await reader.read():
            self._ended.set()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_refusals])
        app.add_routes(
            [
                web.get("/status", self._get_status),
                web.post("/down", self._down),
                web.get("/workloads", self._get_workloads),
                web.put("/workloads/{name}/candidate", self._put_candidate),
                web.delete("/workloads/{name}/candidate", self._delete_candidate),
                web.put("/workloads/{name}/stable", self._put_stable),
                web.patch("/workloads/{name}/stable", self._patch_stable),
                web.put("/load", self._put_load),
                web.delete("/load", self._delete_load),
            ]
        )
        return app

    async def _get_status(self, _: web.Request) -> web.Response:
        status = StackStatus(
            pid=os.getpid(),
            state=self._state,
            environment=self._plan.environment,
            web=self._url(WEB) if WEB in self._plan.services else None,
            admin=self._url(ADMIN) if ADMIN in self._plan.services else None,
            gateway=self._url("gateway"),
            minisentry=self._url(MINISENTRY) if self._plan.minisentry else None,
            mailbox=self._url(MAILBOX) if MAILBOX in self._plan.services else None,
            own_stores=list(self._plan.own_stores),
            processes=self._supervisor.processes(),
        )
        return web.json_response(status.model_dump())

    def _url(self, service: str) -> str:
        return f"http://{HOST}:{self._plan.ports(service)[0]}"

    async def _down(self, _: web.Request) -> web.Response:
        self._ended.set()
        return web.json_response({})

    async def _get_workloads(self, request: web.Request) -> web.Response:
        workloads = self._supervisor.workloads(request.query.getall("name", []))
        return web.json_response({name: asdict(found) if found else None for name, found in workloads.items()})

    async def _put_candidate(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._instances(request).set_candidate(Change(**body["change"]), body["replicas"], body["owner"])
        return web.json_response({})

    async def _delete_candidate(self, request: web.Request) -> web.Response:
        self._instances(request).remove_candidate()
        return web.json_response({})

    async def _put_stable(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._instances(request).set_stable(Change(**body["change"]))
        return web.json_response({})

    async def _patch_stable(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._instances(request).put_back(body["before"], body["variables"], image=body["image"])
        return web.json_response({})

    async def _put_load(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._supervisor.set_load(body["rps"], body["browsers"])
        return web.json_response({})

    async def _delete_load(self, _: web.Request) -> web.Response:
        await self._supervisor.remove_load()
        return web.json_response({})

    def _instances(self, request: web.Request) -> Instances:
        name = request.match_info["name"]
        found = self._supervisor.instances(name)
        if found is None:
            raise Refused(f"there is no service {name} in the local stack")
        if self._state != "ready":
            raise Refused(f"the local stack is {self._state}")
        return found


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Refused as error:
        return web.json_response({"detail": str(error)}, status=409)
    return answer


def say(progress: Progress) -> None:
    """Tell who started this process; it may have gone."""
    with suppress(BrokenPipeError):
        print(progress.model_dump_json(exclude_defaults=True), flush=True)


def _lock(home: Home) -> None:
    """Take the folder's lock until this process has ended. Raises BlockingIOError when another holds it."""
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())


def main() -> int:
    """Run until the end; the exit status."""
    os.umask(0o077)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home = Home.default()
    home.create()
    try:
        _lock(home)
    except BlockingIOError:
        say(Progress(running=True))
        return 1
    try:
        stack = plan(values.load(), os.environ, home, site.built(), player.built())
        problem = ports.taken(stack)
    except ValueError as error:
        problem = str(error)
    if problem:
        say(Progress(error=problem))
        return 1
    lastrun.forget_unfinished(home.last_run)
    for old in (home.folder / "log").glob("*.log"):
        os.truncate(old, 0)
    for old in (home.folder / "log").glob("*.log.1"):
        old.unlink()
    return asyncio.run(Daemon(stack, home).run())


if __name__ == "__main__":
    sys.exit(main())
