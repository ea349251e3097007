"""Trials of an experiment with other values, chosen by optuna: `kedro sweep`; the extra `sweep`."""
