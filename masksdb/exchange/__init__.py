"""Frames and layouts into the database, and out of it again with a report of what is lost."""
