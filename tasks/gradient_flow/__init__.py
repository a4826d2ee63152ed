"""How far an error travels back through time."""
