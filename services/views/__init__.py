"""Views: the log, folded into tables that people and programs read."""
