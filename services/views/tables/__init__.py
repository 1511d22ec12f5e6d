"""The views: a folder of SQL each."""
