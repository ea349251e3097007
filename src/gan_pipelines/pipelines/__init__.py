"""Kedro pipelines: one package per stage, nodes beside pipeline; `sgan`, `infogan`, `ablation` are made of them."""
