"""Groups of commands, and what commands share."""
