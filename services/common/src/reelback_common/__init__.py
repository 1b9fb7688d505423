"""What every service shares: settings, telemetry, gRPC, faults.

- `settings.ServiceSettings`, `settings.load`: the environment, read once, refused by name.
- `telemetry.start`: logs, traces, errors and metrics of this process; `telemetry.request`: one piece of work done
  for a caller; `telemetry.set_player`, `telemetry.trace_id`, `telemetry.tracer`.
- `server.serve`, `server.Server`: a gRPC server with health, reflection, telemetry and a drain.
- `client.connect`: a channel for generated stubs, with deadlines, retries and round robin.
- `asgi.instrument`, `asgi.serve`: the same for HTTP and WebSocket.
- `faults.FAULTS`, `faults.inject`: what can be broken on purpose.
"""
