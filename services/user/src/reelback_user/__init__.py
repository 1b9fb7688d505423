"""Players: registration, sessions, profiles."""
