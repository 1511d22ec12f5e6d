"""Measurements, each beside what bare asyncpg, aiokafka or Postgres do in the same run on the same machine."""
