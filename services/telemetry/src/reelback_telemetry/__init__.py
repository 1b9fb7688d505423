"""Telemetry of a Python service with OpenTelemetry and Sentry: requests, errors, and what the business asks.

- `sdk.start`: once a process, before anything is served.
- `asgi.instrument`, `rpc_server.Telemetry`, `messaging.processing`, `request.request`: a request, whatever brings it.
- `rpc_client`, `mongo`, `redis`, `cache`: what a request asks of others.
- `errors`, `business`, `operations`, `journeys`: what a service says by itself, in a line each.
- `context`, `sampling`, `scrubbing`, `security`: for whom, how much, without what, and who should not.
"""
