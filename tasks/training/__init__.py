"""How a network is trained: loop, optimizer, batches, the run directory."""
