"""The network and the head of each task."""
