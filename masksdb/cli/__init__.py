"""The command line: each command opens a database, calls one method, and prints what it returns."""

from masksdb.cli.app import main

__all__ = ["main"]
