"""The cluster that KUBE_CONTEXT names, by kubectl. Nothing here skips: without a cluster the tests fail."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
CONTEXT = os.environ.get("KUBE_CONTEXT", "kind-reelback")
T = TypeVar("T")


def kubectl(*arguments: str, stdin: object = None, check: bool = True) -> str:
    """Run kubectl in the context; its output. A stdin that is no text is sent as JSON."""
    text = stdin if isinstance(stdin, str) or stdin is None else json.dumps(stdin)
    command = ["kubectl", "--context", CONTEXT, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=400, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
    return done.stdout


def get(*arguments: str) -> Any:
    """What `kubectl get` finds, None when the object does not exist."""
    found = kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
    return json.loads(found) if found else None


def pods(namespace: str, selector: str) -> list[Any]:
    """The running pods of a label selector, those that are on their way out too."""
    found = get("pods", "-n", namespace, "-l", selector, "--field-selector=status.phase=Running")
    return list(found["items"]) if found else []


def variables(pod: Any) -> dict[str, str]:
    """The plain variables of a pod's first container."""
    return {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"] if "value" in entry}


def wait_for(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """Look every half second until there is something (not None, False or empty); fail naming what was awaited."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.5)
