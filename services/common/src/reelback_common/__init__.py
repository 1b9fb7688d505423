"""What every service shares: settings, telemetry, gRPC, faults."""
