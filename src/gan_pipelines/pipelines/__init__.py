"""Kedro pipelines: one package per stage, its nodes beside its pipeline; `sgan`, `infogan` and `ablation` are made of them."""
