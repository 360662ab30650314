"""Training: optimisers, schedules, the loop, checkpoints, run folders and the guard. Knows no model."""
