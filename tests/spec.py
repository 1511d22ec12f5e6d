"""Given facts, when a command comes, then facts: a decision's test as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from modelog.events import Fact

from shared.domain.decider import Decider
from shared.domain.looking import BytesProblem
from tests.looking import decided


@dataclass(frozen=True)
class Spec:
    """A decider, the state that it folded from the log, and the facts that answered the last command."""

    decider: Decider[Any, Any]
    state: Any
    facts: Sequence[Fact] = ()

    def when(self, command: Any, *problems: BytesProblem) -> Spec:
        """Decide, and append the facts; these are the problems of the bytes, if the decision looks at bytes first."""
        facts = decided(self.decider, self.state, command, *problems)
        return Spec(self.decider, self.decider.after(self.state, facts), facts)

    def then(self, *facts: Fact) -> Spec:
        """Exactly these facts were the answer."""
        assert list(self.facts) == list(facts)
        return self

    def then_nothing(self) -> Spec:
        """No fact was the answer."""
        return self.then()

    def then_refused(self, *reasons: str, sentence: str = "") -> Spec:
        """The last fact is a refusal for exactly these reasons; its sentence is not empty, and has `sentence` in it."""
        refusal: Any = self.facts[-1]
        assert refusal.reasons == reasons
        assert refusal.sentence
        assert sentence in refusal.sentence
        return self


def given(decider: Decider[Any, Any], facts: Iterable[Fact] = ()) -> Spec:
    """What the log has before the command comes."""
    return Spec(decider, decider.after(decider.initial, facts))
