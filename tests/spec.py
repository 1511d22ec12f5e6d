"""Given facts, when a command comes, then facts: a decision's test as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from modelog.events import Fact

from shared.domain.decider import Decider


@dataclass(frozen=True)
class Spec:
    """A decider and what the log says so far."""

    decider: Decider[Any, Any]
    state: Any
    said: Sequence[Fact] = ()

    def when(self, command: Any) -> Spec:
        """Decide, and remember what was said."""
        said = self.decider.decide(self.state, command)
        return Spec(self.decider, self.decider.after(self.state, said), said)

    def then(self, *facts: Fact) -> Spec:
        """Exactly these facts were said."""
        assert list(self.said) == list(facts)
        return self

    def then_nothing(self) -> Spec:
        """No fact was said."""
        return self.then()

    def then_refused(self, *reasons: str) -> Spec:
        """One fact was said last, for exactly these reasons, with a sentence."""
        refusal: Any = self.said[-1]
        assert refusal.reasons == reasons
        assert refusal.sentence
        return self


def given(decider: Decider[Any, Any], facts: Iterable[Fact] = ()) -> Spec:
    """What the log says before the command comes."""
    return Spec(decider, decider.after(decider.initial, facts))
