"""The state of the process when something goes wrong: memory, CPU, threads, tasks, versions."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import sys
import threading
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PACKAGES = ("sentry-sdk", "opentelemetry-sdk", "grpcio", "fastapi", "pymongo")
_started = time.monotonic()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


_VERSIONS = _versions()


def state() -> dict[str, object]:
    """Figures of this moment; memory only where the system has /proc. Some 50 microseconds."""
    used = os.times()
    return {
        **({"memory_mb": megabytes()} if _STATM.exists() else {}),
        "cpu_seconds": round(used.user + used.system, 2),
        "uptime_seconds": round(time.monotonic() - _started, 1),
        "threads": threading.active_count(),
        "tasks": _tasks(),
        "allocated_blocks": sys.getallocatedblocks(),
        "gc_collections": sum(generation["collections"] for generation in gc.get_stats()),
        "versions": _VERSIONS,
    }


def megabytes() -> float:
    """The memory that the process has in RAM. OSError where the system has no /proc."""
    return round(int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _tasks() -> int:
    """The tasks of the loop that runs in this thread; none in another."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
