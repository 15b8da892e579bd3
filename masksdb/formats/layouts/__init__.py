"""The layouts of other tools, one module each."""
