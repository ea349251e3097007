"""The training loop, and the objective of each kind of training."""
