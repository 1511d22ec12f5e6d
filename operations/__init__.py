"""What operators run: `python -m operations`; no service imports it."""
