"""Images and labels: where they come from, what they are checked for, how they are drawn in batches."""
