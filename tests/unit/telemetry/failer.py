"""A service whose requests all fail: `python failer.py`, with SENTRY_DSN; it says how that went.

Under `answered` is how many of its requests ended as they had to, `longest` has seconds, `grown` the megabytes of
memory that the later two thirds of them took.
"""

from __future__ import annotations

import json
import os
import time

from reelback_telemetry import business, request, runtime, sdk

REQUESTS = 1_500


def main() -> None:
    took, grown = [], 0.0
    telemetry = sdk.start("failer", release="failer@1.0.0", dsn=os.environ["SENTRY_DSN"], log_level="CRITICAL")
    for number in range(REQUESTS):
        if number == REQUESTS // 3:
            grown = -runtime.megabytes()
        began = time.perf_counter()
        try:
            with request.request("GET /", {}, {}):
                business.log_business_event("asked", number=number)
                raise ValueError("it fails")
        except ValueError:
            took.append(time.perf_counter() - began)
    grown += runtime.megabytes()
    began = time.perf_counter()
    telemetry.close()
    closed = time.perf_counter() - began
    print(json.dumps({"answered": len(took), "longest": max(took), "grown": grown, "closed": closed}))


if __name__ == "__main__":
    main()
