"""One folder, one process; none imports another. They speak only through Kafka topics."""
