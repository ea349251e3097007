"""Images and labels: their sources, their checks, their batches."""
