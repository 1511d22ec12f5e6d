"""What a handler may use besides its message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from modelog.policy import Policy

R = TypeVar("R")


@dataclass(frozen=True)
class Context:
    """The time, the policy, and the resources that the service names in `needs`."""

    now: datetime
    policy: Policy
    resources: Mapping[type[Any], Any]

    def resource(self, kind: type[R]) -> R:
        """The resource of this kind; KeyError if the service does not name it in `needs`."""
        found: R = self.resources[kind]
        return found
