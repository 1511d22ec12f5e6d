"""What builds the views, follows the log with them and swaps them; it knows none of them."""
