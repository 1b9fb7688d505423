"""The report of the last scenario, `last-run.json`, which is also what a run that was cut off goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelback_operator.engine.model.resource import Status

from reelback_local.files import write


def save(file: Path, manifest: Mapping[str, Any], status: Status) -> None:
    """Write the report, in one step. `manifest` is the scenario as its file has it."""
    write(file, json.dumps({"scenario": manifest, "status": status.to_json()}, indent=2) + "\n")


def resumable(file: Path, manifest: Mapping[str, Any]) -> Status:
    """The status to go on from: that of the last run if it was of this scenario and is not over, else a new one."""
    report = _read(file)
    status = Status.model_validate(report.get("status", {}))
    return status if report.get("scenario") == manifest and not status.complete else Status()


def forget_unfinished(file: Path) -> None:
    """Remove a report that is not over: what it tells of has ended with its stack."""
    report = _read(file)
    if report and not Status.model_validate(report["status"]).complete:
        file.unlink()


def _read(file: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return report
