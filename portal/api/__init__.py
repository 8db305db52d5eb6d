"""The API: what staff do on pages, done by other programs, over the same services."""
