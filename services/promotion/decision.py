"""Does a version serve a stage from now on, and which version does it replace?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from immutables import Map
from modelog.events import (
    Fact,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelValidated,
    PromotionRefusal,
    PromotionRefused,
)
from modelog.policy import Policy

from shared.domain.comparison import Champion, compare
from shared.domain.decider import Decider
from shared.domain.looking import BytesSeen, LookFirst
from shared.domain.paged_map import PagedMap
from shared.domain.stages import ARCHIVED, DEVELOPMENT, after_promotion


@dataclass(frozen=True)
class Promote:
    """Let the version serve the stage; `automatic` if the policy decides it and not a request.

    `seen` is what was seen of its bytes, None before they are looked at.
    """

    model: str
    version: int
    stage: str
    by: str
    reason: str
    policy: Policy
    automatic: bool = False
    seen: BytesSeen | None = None


@dataclass(frozen=True)
class Candidate:
    """The fields of its promotion, its status and stage, and the champion that it was compared with."""

    manifest: str
    uri: str
    metrics: Mapping[str, float]
    status: Literal["registered", "validated", "rejected", "retired"] = "registered"
    stage: str = DEVELOPMENT
    compared_to: int | None = None


@dataclass(frozen=True)
class Candidates:
    """Every version, and the version of each stage."""

    versions: PagedMap[int, Candidate] = PagedMap(int, Candidate)
    serving: Map[str, int] = Map()


def evolve(state: Candidates, fact: Fact) -> Candidates:
    match fact:
        case ModelRegistered(version=version):
            candidate = Candidate(fact.manifest, fact.uri, fact.metrics)
            return replace(state, versions=state.versions.set(version, candidate))
        case ModelValidated(version=version, compared_to=champion):
            return _judge(state, version, status="validated", compared_to=champion)
        case ModelRejected(version=version):
            return _judge(state, version, status="rejected")
        case ModelRetired(version=version):
            return _change(state, version, status="retired")
        case ModelPromoted(version=version, stage=stage, replaces=replaced):
            if replaced is not None:
                state = _change(state, replaced, stage=ARCHIVED)
            serving = after_promotion(state.serving, fact, version)
            return _change(replace(state, serving=serving), version, stage=stage)
        case _:
            return state


def _judge(state: Candidates, version: int, **verdict: object) -> Candidates:
    """A verdict that comes after the version was retired changes nothing."""
    return state if state.versions[version].status == "retired" else _change(state, version, **verdict)


def _change(state: Candidates, version: int, **changes: object) -> Candidates:
    candidate = replace(state.versions[version], **changes)  # type: ignore[arg-type]
    return replace(state, versions=state.versions.set(version, candidate))


def decide(state: Candidates, command: Promote) -> Sequence[Fact] | LookFirst:
    name = f"{command.model}/{command.version}"
    candidate = state.versions.get(command.version)
    if candidate is None:  # checked first: views make no row of a refusal with this reason
        return [refused(command, "unknown version", f"{name} is not registered: the log has {len(state.versions)}")]
    if command.stage not in command.policy.stages:
        stages = ", ".join(command.policy.stages)
        return [refused(command, "unknown stage", f"{command.stage} is no stage of the policy, which has {stages}")]
    if command.automatic and command.policy.promote_to is None:
        sentence = (
            f"policy {command.policy.digest} promotes no version by itself: request {name} with promotion.requested"
        )
        return [refused(command, "left to people", sentence)]
    match candidate.status:
        case "retired":
            return [refused(command, "retired", f"{name} is retired: register its run's bytes as a new run")]
        case "rejected":
            return [
                refused(
                    command,
                    "rejected",
                    sentence=f"{name} was rejected by validation: its findings say which checks failed",
                )
            ]
        case "registered":
            return [
                refused(
                    command, "not validated", sentence=f"{name} has no verdict yet: ask again after model.validated"
                )
            ]
    if candidate.stage == command.stage:
        return [refused(command, "already serves", f"{name} serves {command.stage} already")]
    replaced = state.serving.get(command.stage)
    if command.automatic and replaced != candidate.compared_to and replaced is not None:
        champion = Champion(replaced, state.versions[replaced].metrics)
        finding = compare(command.policy, candidate.metrics, champion)
        if not finding.passed:
            compared = (
                f"{name} was compared with {candidate.compared_to or 'no champion'}, {replaced} serves {command.stage}"
            )
            return [refused(command, "worse than the champion", f"{compared}: {finding.sentence}")]
    if command.seen is None or command.seen.manifest != candidate.manifest:
        return LookFirst(candidate.manifest)
    if command.seen.problems:
        sentence = f"{name} cannot be downloaded: {command.seen.sentence}"
        return [refused(command, command.seen.reasons, sentence)]
    return [
        ModelPromoted(
            model=command.model,
            version=command.version,
            stage=command.stage,
            leaves=candidate.stage,
            replaces=replaced,
            by=command.by,
            reason=command.reason,
            manifest=candidate.manifest,
            uri=candidate.uri,
            metrics=dict(candidate.metrics),
            policy=command.policy.digest,
        )
    ]


def refused(command: Promote, reasons: PromotionRefusal | tuple[PromotionRefusal, ...], sentence: str) -> Fact:
    return PromotionRefused(
        model=command.model,
        version=command.version,
        stage=command.stage,
        by=command.by,
        reasons=reasons if isinstance(reasons, tuple) else (reasons,),
        sentence=sentence,
    )


promotion: Decider[Candidates, Promote] = Decider(
    "promotion",
    Candidates(),
    evolve,
    decide,
    commands=(Promote,),
    remembers=frozenset({ModelRegistered, ModelValidated, ModelRejected, ModelPromoted, ModelRetired}),
    answers=(ModelPromoted, PromotionRefused),
)
