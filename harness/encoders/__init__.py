"""Models: `content()` says what they are, `open(device)` loads them."""
