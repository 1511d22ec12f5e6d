import re
from dataclasses import replace

from modelog.events import EVENTS, Fact

from services.views.engine.definition import VIEWS
from services.views.engine.step import Followed, step_sql

FACTS = {event.type for event in EVENTS if issubclass(event, Fact)}
NOT_FOLDED = {"message.conflicted"}
"""The facts that no fold names: no view shows more of them than that they happened."""


def test_every_folder_with_a_version_is_a_view() -> None:
    assert [view.name for view in VIEWS] == ["model", "serving", "version"]


def named(fold: str) -> set[str]:
    """The types of facts that a fold names."""
    return set(re.findall(r"'([a-z]+(?:\.[a-z]+)+)'", fold))


def test_a_fold_names_only_facts_that_exist() -> None:
    assert set().union(*(named(view.fold) for view in VIEWS)) <= FACTS


def test_each_fact_is_named_by_a_fold_or_listed_as_not_folded() -> None:
    assert FACTS - set().union(*(named(view.fold) for view in VIEWS)) == NOT_FOLDED


def test_a_fold_is_of_a_range() -> None:
    for view in VIEWS:
        assert (
            view.fold.count("position > $1") == view.fold.count("position <= $2") == view.fold.count("from log.event")
        )


def test_a_digest_changes_with_all_of_its_sql_and_not_with_a_comment_or_a_parameter() -> None:
    view = VIEWS[0]
    others = [replace(view, fold=""), replace(view, merge=""), replace(view, table=""), replace(view, view="")]
    assert len({other.digest for other in [view, *others]}) == 5
    assert replace(view, fold=f"-- Why, in other words.\n\n{view.fold}").digest == view.digest
    assert replace(view, parameters={"champion_stage": "live"}).digest == view.digest


def test_a_parameter_is_a_literal_whatever_its_characters_are() -> None:
    view = replace(VIEWS[0], view="select {champion_stage} from {table}", parameters={"champion_stage": "it's"})
    assert view.rows_sql("t") == "select 'it''s' from t"


def test_one_statement_moves_every_view() -> None:
    statement = step_sql(Followed(view, generation) for view, generation in zip(VIEWS, [3, 1, 2], strict=True))
    assert not re.search(r"\{[a-z_]+\}", statement)
    for table in ("registry.model_3", "registry.serving_1", "registry.version_2"):
        assert f"insert into {table}" in statement
