"""Stacked GANs and InfoGAN as declarative Kedro pipelines."""

__version__ = "0.1.0"
