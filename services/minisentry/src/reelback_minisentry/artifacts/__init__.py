"""What a build leaves behind for reading its stack traces: scripts and their source maps, by debug id."""
