"""The engine builds views, keeps them up to date and swaps their tables; it depends on no view."""
