"""The operator: the scenario engine, the platforms it acts on, and the reelback command."""
