import re
from dataclasses import replace

from modelog.events import EVENTS, Fact

from services.views.engine.definition import VIEWS, step


def test_every_folder_with_a_version_is_a_view() -> None:
    assert [view.name for view in VIEWS] == ["model", "serving", "version"]


def test_a_fold_speaks_only_of_facts_that_there_are() -> None:
    facts = {event.type for event in EVENTS if issubclass(event, Fact)}
    for view in VIEWS:
        assert set(re.findall(r"'([a-z]+\.[a-z]+)'", view.fold)) <= facts


def test_some_fold_asks_for_every_fact() -> None:
    folds = "\n".join(view.fold for view in VIEWS)
    assert [event.type for event in EVENTS if issubclass(event, Fact) and f"'{event.type}'" not in folds] == []


def test_a_fold_is_of_a_range() -> None:
    for view in VIEWS:
        assert (
            view.fold.count("position > $1") == view.fold.count("position <= $2") == view.fold.count("from log.event")
        )


def test_a_view_is_known_by_all_of_its_sql() -> None:
    view = VIEWS[0]
    others = [replace(view, fold=""), replace(view, merge=""), replace(view, table=""), replace(view, view="")]
    assert len({other.digest for other in [view, *others]}) == 5


def test_one_statement_moves_every_view() -> None:
    statement = step(VIEWS, [3, 1, 2])
    assert "{" not in statement
    for table in ("registry.model_3", "registry.serving_1", "registry.version_2"):
        assert f"insert into {table}" in statement
