"""Programs that end with their owner, however it ends: each runs under a guard."""

from stack.supervisor.process import Guarded

__all__ = ["Guarded"]
