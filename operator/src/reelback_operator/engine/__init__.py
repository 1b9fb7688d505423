"""The scenario engine: rules only. What it decides is carried out by `controller.py` on a platform."""
