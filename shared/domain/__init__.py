"""What a decision may import besides the events: pure values and functions."""
