"""The process that owns every other one of the local stack."""
