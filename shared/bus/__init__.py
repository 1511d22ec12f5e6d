"""Kafka: the consumer of a service, its topics, and the topic `parked`."""
