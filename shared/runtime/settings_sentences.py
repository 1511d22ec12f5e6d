"""What is wrong with the settings of a process, in sentences that name variables and never values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from modelog.environment import KEPT_IN_A_FILE, SECRETS
from pydantic import ValidationError
from pydantic_core import ErrorDetails

PREFIX = "MODELOG_"
PUBLISHED = ("KAFKA", "POSTGRES", "S3", "PROMETHEUS", "GRAFANA")
OF_COMPOSE = {
    "MODELOG_IMAGE",
    "MODELOG_BIND",
    "MODELOG_KAFKA_ADVERTISED",
    *(f"MODELOG_{name}_PORT" for name in PUBLISHED),
}
OTHERS = frozenset({"MODELOG_CACHE", *OF_COMPOSE})
"""Variables of the tools of this checkout, and of compose.yaml."""
OTHER_PREFIXES = ("MODELOG_STACK", "MODELOG_TEST")
MAX_LISTED = 3
TOPIC_PREFIX = re.compile(r"[A-Za-z\d._-]{0,200}")
"""Kafka takes names of topics with 249 of these characters."""


def check_prefix(prefix: str) -> str:
    """The prefix of topics; ValueError if Kafka takes no topic with it."""
    if not TOPIC_PREFIX.fullmatch(prefix):
        raise ValueError("expected at most 200 letters, digits, dots, hyphens and _, found another text: correct it")
    return prefix


def sentences(error: ValidationError) -> Iterator[str]:
    """A sentence for each problem, and a single sentence for all variables that are missing."""
    problems = error.errors(include_url=False, include_input=False)
    if missing := [_name(problem) for problem in problems if problem["type"] == "missing"]:
        yield (
            f"expected {' and '.join(missing)} in the environment, found none: "
            "set it, or run `make up`, which writes it to .modelog/env"
        )
    for problem in problems:
        if problem["type"] != "missing":
            name = _name(problem)
            yield (f"{name}: " if name else "") + _text(problem)


def listed(error: ValidationError) -> str:
    """The first problems of a file, each with its place; nothing of its content, which may not be meant for readers."""
    problems = error.errors(include_url=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return "no JSON"
    texts = [f"{'.'.join(map(str, p['loc'])) or 'the whole'}: {p['msg']}" for p in problems[:MAX_LISTED]]
    return "; ".join(texts) + (f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else "")


def unknown(names: Collection[str], fields: Collection[str]) -> list[str]:
    """A sentence for each of these variables that is no setting, with the name that is most like it."""
    settings = {PREFIX + field.upper() for field in fields}
    known = settings | {f"{name}_FILE" for name in (*SECRETS, *KEPT_IN_A_FILE)}
    found = []
    for name in sorted(name for name in names if name.startswith(PREFIX)):
        if name in known or name in OTHERS or name.startswith(OTHER_PREFIXES):
            continue
        nearest = get_close_matches(name, known, n=1, cutoff=0.8)
        found.append(f"{name} is no setting" + (f": is {nearest[0]} meant?" if nearest else " and is not used"))
    return found


def _name(problem: ErrorDetails) -> str:
    return "".join(f"{PREFIX}{part}".upper() for part in problem["loc"])


def _text(problem: ErrorDetails) -> str:
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case "int_parsing" | "int_parsing_size" | "int_from_float":
            return "expected a whole number, found another text: correct it"
        case "float_parsing" | "finite_number":
            return "expected a number, found another text: correct it"
        case "greater_than_equal":
            return f"expected at least {limits['ge']}, found less: correct it"
        case "less_than_equal":
            return f"expected at most {limits['le']}, found more: correct it"
        case "literal_error":
            return f"expected {limits['expected']}, found another text: correct it".replace("'", "")
        case _:
            return problem["msg"]
