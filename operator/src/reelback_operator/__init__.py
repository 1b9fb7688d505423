"""The operator: the scenario engine, the platform it acts on, and what kopf hears."""
