"""The one training loop, and what each stage puts into it."""
