"""Does a version pass what the policy asks for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from immutables import Map
from modelog.events import Fact, ModelPromoted, ModelRegistered, ModelRejected, ModelValidated
from modelog.policy import Policy

from services.validation.checks import check_all
from shared.domain.comparison import Champion
from shared.domain.decider import Decider
from shared.domain.looking import BytesSeen
from shared.domain.stages import after_promotion


@dataclass(frozen=True)
class Judge:
    """The bytes of the version were looked at."""

    model: str
    version: int
    seen: BytesSeen
    policy: Policy


@dataclass(frozen=True)
class Candidate:
    manifest: str
    format: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class AwaitingVerdict:
    """The versions that await a verdict, and the version of each stage with its metrics."""

    awaiting: Map[int, Candidate] = Map()
    serving: Map[str, Champion] = Map()


def evolve(state: AwaitingVerdict, fact: Fact) -> AwaitingVerdict:
    match fact:
        case ModelRegistered(version=version):
            candidate = Candidate(fact.manifest, fact.format, fact.metrics)
            return replace(state, awaiting=state.awaiting.set(version, candidate))
        case ModelValidated(version=version) | ModelRejected(version=version):
            return replace(state, awaiting=state.awaiting.delete(version))
        case ModelPromoted(version=version, metrics=metrics):
            return replace(state, serving=after_promotion(state.serving, fact, Champion(version, metrics)))
        case _:
            return state


def decide(state: AwaitingVerdict, command: Judge) -> Sequence[Fact]:
    candidate = state.awaiting.get(command.version)
    if candidate is None or candidate.manifest != command.seen.manifest:
        return []  # it has a verdict, or the log has no such version
    policy = command.policy
    champion = state.serving.get(policy.champion_stage)
    findings = check_all(policy, candidate.metrics, candidate.format, command.seen, champion)
    verdict = ModelValidated if all(finding.passed for finding in findings) else ModelRejected
    return [
        verdict(
            model=command.model,
            version=command.version,
            findings=findings,
            compared_to=champion.version if champion else None,
            policy=policy.digest,
        )
    ]


validation: Decider[AwaitingVerdict, Judge] = Decider(
    "validation",
    AwaitingVerdict(),
    evolve,
    decide,
    commands=(Judge,),
    remembers=frozenset({ModelRegistered, ModelValidated, ModelRejected, ModelPromoted}),
    answers=(ModelValidated, ModelRejected),
)
