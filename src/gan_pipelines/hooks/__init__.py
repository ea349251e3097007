"""What happens around a run: its input is checked before it, its results are recorded after it."""

from gan_pipelines.hooks.checks import CheckHooks
from gan_pipelines.hooks.recording import RecordingHooks

__all__ = ["CheckHooks", "RecordingHooks"]
