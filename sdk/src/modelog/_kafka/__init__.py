"""The Kafka side of the registry. Private: anything here may change in any release."""
