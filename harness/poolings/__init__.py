"""Token states to one vector: `pool(states, mask)`."""
