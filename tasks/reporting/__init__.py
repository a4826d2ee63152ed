"""Tables and pictures of a result."""
