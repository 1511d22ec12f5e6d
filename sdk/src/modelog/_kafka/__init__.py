"""Kafka, behind the registry: nothing here is promised."""
