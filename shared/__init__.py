"""Plumbing that two or more services use. The events are in `modelog.events`, in `sdk/`: outsiders rely on them."""
