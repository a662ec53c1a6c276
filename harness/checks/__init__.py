"""What is checked in a set whose documents are ranked, each finding with its computed effect on the score."""
