"""A pipeline, a monitor and a deployer to copy, and the demo that lets them play together."""

MODEL = "tumours"
"""The model that all of them are about."""
