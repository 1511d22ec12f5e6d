"""The object store, as services use it."""
