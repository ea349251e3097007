"""Kedro pipelines, one package each: thin nodes, and how they hang together."""
