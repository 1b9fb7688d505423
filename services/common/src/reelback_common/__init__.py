"""What every service shares: settings, telemetry, gRPC, Kafka, faults.

- `settings.ServiceSettings`, `settings.load`: the environment, read once, refused by name.
- `telemetry.start`: logs, traces, errors and metrics of this process; `telemetry.request`: one piece of work done
  for a caller; `telemetry.set_player`, `telemetry.trace_id`, `telemetry.tracer`.
- `server.serve`, `server.Server`: a gRPC server with health, telemetry and a drain.
- `client.connect`: a channel for generated stubs, with deadlines, retries and round robin.
- `asgi.instrument`, `asgi.serve`: the same for HTTP and WebSocket.
- `outbox.Relay`, `consumer.Consumer`: events over Kafka, out of a store's documents and into a handler.
- `faults.FAULTS`, `faults.inject`, `faults.is_on`: what can be broken on purpose.
"""
