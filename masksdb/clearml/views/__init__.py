"""A DataView: its definition, its SQL, its frames and results."""
