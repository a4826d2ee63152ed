"""A server for one machine, and its client."""
