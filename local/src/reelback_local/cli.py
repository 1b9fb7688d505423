"""`reelback`: the local stack and scenarios on it, from a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from reelback_local import launch, play, player, report, site, sourcemaps
from reelback_local.control import Control, ControlError, NotRunning
from reelback_local.files import write
from reelback_local.launch import AlreadyRunning, Launched, StackError, launched
from reelback_local.layout.home import Home
from reelback_local.layout.plan import HOST
from reelback_local.page.render import page
from reelback_local.status import StackStatus
from reelback_local.stores import access

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
console = Console(highlight=False, soft_wrap=True)

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130

NO_BROWSER = "it judges the pages by what browsers say, and there is no chromium on the PATH"

Scenario = Annotated[Path, typer.Argument(metavar="FILE", help="a SentryScenario, or a folder of them")]


@app.command()
def up() -> None:
    """Start the stack and leave it running."""
    _main(_up())


@app.command()
def run(file: Scenario) -> None:
    """Play a scenario on the running stack; exit status 0 when it met what it expects."""
    _main(_run(file))


@app.command()
def status() -> None:
    """Show every process of the stack, and what memory it takes."""
    _main(_status())


@app.command()
def down() -> None:
    """End the stack. What its stores keep stays."""
    _main(_down())


@app.command()
def reconcile() -> None:
    """Work every balance out anew from the ledger; exit status 1 when an account differs, 2 when the store is away."""
    _main(_reconcile())


@app.command()
def demo(file: Scenario, keep: Annotated[bool, typer.Option("--keep", help="leave the stack running")] = False) -> None:
    """Start the stack, play a scenario, end the stack; exit status 0 when it met what it expects."""
    _main(_demo(file, keep))


async def _up() -> int:
    home = Home.default()
    await _pages()
    async with launched(home) as stack:
        try:
            await _start(stack)
        except AlreadyRunning:
            async with Control(home) as control:
                console.print(f"the stack is running already (pid {(await control.status()).pid})")
            return 0
        stack.stay()
        await _where(home)
    return 0


async def _pages() -> None:
    """Build the pages and fetch the player of replays, the first time. Without them the stack still starts."""
    try:
        with console.status("building the pages of the game and of the back office"):
            await site.build()
    except site.SiteError as error:
        console.print(f"not all pages will be there: {error}", markup=False)
    try:
        with console.status("fetching the player of replays"):
            await player.build()
    except site.SiteError as error:
        console.print(f"replays will be listed, and not played: {error}", markup=False)


async def _start(stack: Launched) -> None:
    with console.status("starting the stack"):
        async for step in stack.progress():
            report.progress(console, step)


async def _where(home: Home) -> StackStatus:
    async with Control(home) as control:
        now = await control.status()
    report.where(console, now)
    if now.web and now.minisentry:
        try:
            for process in now.processes:
                if process.name in site.SITES:
                    place = sourcemaps.Place.of_minisentry(now.minisentry, home, process.name)
                    await sourcemaps.send(place, process.name, process.release)
        except sourcemaps.NotSent as error:
            console.print(f"errors of the pages are shown as they were minified: {error}", markup=False)
    return now


async def _run(file: Path) -> int:
    manifests = play.read(file)
    home = Home.default()
    async with Control(home) as control:
        stack = await control.status()
    return await _play(manifests, stack, home)


async def _play(manifests: Sequence[dict[str, Any]], stack: StackStatus, home: Home) -> int:
    """Play one scenario after the other, and write one report of all; those that cannot be played here are named."""
    played = []
    missing = [manifest["metadata"]["name"] for manifest in manifests if play.lacks_browser(manifest)]
    if missing and len(missing) == len(manifests):
        raise play.BadInput(f"{', '.join(missing)}: {NO_BROWSER}")
    for name in missing:
        console.print(f"{name} is not played: {NO_BROWSER}")
    for manifest in manifests:
        if manifest["metadata"]["name"] in missing:
            continue
        if len(manifests) > 1:
            console.rule(manifest["metadata"]["name"])
        with report.Timeline(console) as timeline:
            played.append(await play.play(manifest, stack, home, timeline.show))
        report.verdict(console, played[-1], stack)
        await asyncio.to_thread(write, home.page, page(played))
    if len(played) > 1:
        report.runs(console, played)
    console.print(f"report: {home.page}")
    return 0 if all(run.met for run in played) else FAILED


async def _status() -> int:
    async with Control(Home.default()) as control:
        report.processes(console, await control.status())
    return 0


async def _down() -> int:
    with console.status("ending the stack"):
        await launch.end(Home.default())
    console.print("the stack has ended")
    return 0


async def _reconcile() -> int:
    try:
        async with Control(Home.default()) as control:
            stack = await control.status()
    except (NotRunning, ControlError) as error:
        return _say(error, BAD_INPUT)  # 1 says that accounts differ
    ports = {process.name: process.port for process in stack.processes}
    # A store of the team's own is no process here: its address is the caller's.
    here = {}
    if port := ports.get("mongodb"):
        here["MONGODB_URL"] = access.url("mongodb", HOST, port, Home.default().password("mongodb"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reelback_payment.reconcile", env={**os.environ, **here}
    )
    return await process.wait()


async def _demo(file: Path, keep: bool) -> int:
    manifests = play.read(file)
    home = Home.default()
    await _pages()
    async with launched(home) as stack:
        try:
            await _start(stack)
        except AlreadyRunning:
            raise StackError(
                "the stack is running already: `reelback run` plays on it, `reelback down` ends it"
            ) from None
        code = await _play(manifests, await _where(home), home)
        if keep:
            stack.stay()
            console.print("the stack is left running: `reelback status` shows it, `reelback down` ends it")
        return code


def _main(work: Coroutine[Any, Any, int]) -> None:
    """Run a command; its errors as lines on stderr."""
    try:
        code = asyncio.run(work)
    except play.BadInput as error:
        code = _say(error, BAD_INPUT)
    except (StackError, NotRunning, ControlError, PermissionError, play.AlreadyPlaying) as error:
        code = _say(error, FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


def _say(error: Exception, code: int) -> int:
    print(error, file=sys.stderr)
    return code


def main() -> None:
    """The command `reelback`."""
    app()
