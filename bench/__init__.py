"""Measurements, each beside those of bare drivers and, where there is one, of a peer in the same run."""
