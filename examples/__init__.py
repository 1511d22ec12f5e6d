"""A pipeline, a monitor and a deployer to copy, and the demo that runs them together."""

MODEL = "tumours"
"""The model of all examples."""
