"""Real TLS against the model: recorded handshakes, and machines learned from stacks."""
