"""From a fitted model to what is shipped."""

from ._detach import detach_teacher

__all__ = ["detach_teacher"]
