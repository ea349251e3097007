"""What happens around a run: its input is checked before it, its results say what made them, are recorded and shown."""

from collections.abc import Iterator
from functools import cached_property


class ProjectHooks:
    """All hooks of the project, made when they are first registered.

    They import PyTorch, which takes longer than all else that lists pipelines or refuses parameters.
    """

    def __iter__(self) -> Iterator[object]:
        return iter(self._made)

    @cached_property
    def _made(self) -> tuple[object, ...]:
        from gan_pipelines.hooks.checks import CheckHooks
        from gan_pipelines.hooks.recording import RecordingHooks
        from gan_pipelines.hooks.showing import ShowingHooks
        from gan_pipelines.hooks.stamping import StampingHooks

        return CheckHooks(), StampingHooks(), RecordingHooks(), ShowingHooks()
