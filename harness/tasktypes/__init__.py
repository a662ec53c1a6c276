"""What it means to evaluate a candidate: `evaluate(evalset, searcher)`."""
