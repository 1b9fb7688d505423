"""What the engine knows and says: spec, status, observations, actions. Plain data."""
