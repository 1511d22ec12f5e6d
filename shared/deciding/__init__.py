"""Commands in, facts out: the services that decide, their batches, snapshots and clock."""
