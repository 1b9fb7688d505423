"""What is done in each phase of a run: bring a release in, watch it, take it back or promote it."""
