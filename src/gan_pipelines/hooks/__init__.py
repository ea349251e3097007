"""What happens around a run: its input is checked before it, its results say what made them, are recorded and shown."""

from gan_pipelines.hooks.checks import CheckHooks
from gan_pipelines.hooks.recording import RecordingHooks
from gan_pipelines.hooks.showing import ShowingHooks
from gan_pipelines.hooks.stamping import StampingHooks

__all__ = ["CheckHooks", "RecordingHooks", "ShowingHooks", "StampingHooks"]
