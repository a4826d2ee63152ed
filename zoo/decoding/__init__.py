"""From the probabilities of the next symbol to a text."""
