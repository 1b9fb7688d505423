"""`make bench`: every benchmark in a process of its own, or those named, and one JSON object of what they printed."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

BENCHMARKS = ("detect", "ingest", "library", "rtp", "spins", "web")
# A benchmark bounds its own runs; this only ends one that hangs.
LIMIT_SECONDS = 1800
PACKAGES = ("confluent-kafka", "grpcio", "numpy", "opentelemetry-sdk", "pymongo", "redis", "sentry-sdk", "uvicorn")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0].partition(':')[2].strip()}" if models else platform.processor()


def main() -> None:
    figures: dict[str, object] = {
        "machine": {"system": platform.platform(terse=True), "processor": _processor()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"bench.{name} ...", file=sys.stderr)
        run = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, timeout=LIMIT_SECONDS, check=True
        )
        figures[name] = json.loads(run.stdout)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
