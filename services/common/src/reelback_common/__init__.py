"""What every service shares: settings, telemetry, gRPC, Kafka, faults.

- `settings.ServiceSettings`, `settings.load`: the environment, read once, refused by name.
- `telemetry.start`: the library `reelback_telemetry`, the metrics server and the faults of this process.
- `server.serve`, `server.Server`: a gRPC server with health, telemetry and a drain.
- `client.connect`: a channel for generated stubs, with deadlines, retries and round robin.
- `asgi.serve`: the same as `server.serve` for HTTP and WebSocket.
- `tasks.end`: ends what runs beside a server.
- `outbox.Relay`, `consumer.Consumer`: events over Kafka, out of a store's documents and into a handler.
- `faults.FAULTS`, `faults.inject`, `faults.is_on`: what can be broken on purpose.
"""
