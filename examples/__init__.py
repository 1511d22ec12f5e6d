"""A pipeline, a monitor and a deployer to copy, and the demo that lets them play together."""
