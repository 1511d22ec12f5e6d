"""Measurements, each beside what bare drivers and, where there is one, a peer do in the same run on this machine."""
