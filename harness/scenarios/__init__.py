"""How a speed is measured: `measure(subjects)`."""
