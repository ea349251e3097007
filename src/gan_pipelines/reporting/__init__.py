"""Pictures, curves and tables for people to look at."""
