"""Each rule of additive.py, on the smallest schema that shows it can fail."""

from typing import Any

from tests.sdk.additive import broken


def event(**properties: Any) -> dict[str, Any]:
    required = [name for name, field in properties.items() if "default" not in field]
    return {"type": "object", "properties": properties, "required": required}


TEXT: dict[str, Any] = {"type": "string"}
OPTIONAL = {"anyOf": [TEXT, {"type": "null"}], "default": None}


def test_the_same_schema_is_no_change() -> None:
    assert broken(event(by=TEXT), event(by=TEXT), fact=True) == []


def test_a_new_field_with_a_default_is_an_addition() -> None:
    assert broken(event(by=TEXT), event(by=TEXT, why=OPTIONAL), fact=True) == []


def test_a_new_field_without_a_default_is_refused_when_old_writers_leave_it_out() -> None:
    assert broken(event(by=TEXT), event(by=TEXT, why=TEXT), fact=False) == ["new readers refuse why left out"]


def test_a_field_may_not_be_removed() -> None:
    assert broken(event(by=TEXT, why=OPTIONAL), event(by=TEXT), fact=False) == ["why is removed"]


def test_a_field_inside_a_list_may_not_be_removed() -> None:
    old = event(files={"type": "array", "items": event(path=TEXT, size=OPTIONAL)})
    new = event(files={"type": "array", "items": event(path=TEXT)})
    assert broken(old, new, fact=False) == ["files.*.size is removed"]


def test_a_required_field_of_a_fact_may_not_become_optional() -> None:
    found = broken(event(by=TEXT), event(by=TEXT | {"default": ""}), fact=True)
    assert found == ["old readers refuse by left out"]


def test_a_required_field_of_a_report_may_become_optional() -> None:
    assert broken(event(by=TEXT), event(by=TEXT | {"default": ""}), fact=False) == []


def test_a_type_may_not_change() -> None:
    found = broken(event(by=TEXT), event(by={"type": "integer"}), fact=False)
    assert found == ["new readers refuse by as string"]


def test_an_alternative_may_not_be_taken_away() -> None:
    found = broken(event(by=OPTIONAL), event(by=TEXT | {"default": ""}), fact=False)
    assert found == ["new readers refuse by as null"]


def test_an_alternative_may_be_added_to_a_report_and_not_to_a_fact() -> None:
    old, new = event(by=TEXT), event(by={"anyOf": [TEXT, {"type": "null"}]})
    assert broken(old, new, fact=False) == []
    assert broken(old, new, fact=True) == ["old readers refuse by as null"]


def test_an_integer_may_become_a_number_in_a_report() -> None:
    assert broken(event(size={"type": "integer"}), event(size={"type": "number"}), fact=False) == []


def test_a_number_may_not_become_an_integer() -> None:
    found = broken(event(size={"type": "number"}), event(size={"type": "integer"}), fact=False)
    assert found == ["new readers refuse size as number"]


def test_anything_may_not_become_something() -> None:
    found = broken(
        event(parameters={"additionalProperties": {}}), event(parameters={"additionalProperties": TEXT}), fact=False
    )
    assert found == ["new readers refuse parameters.* as anything"]


def test_a_value_may_not_be_taken_from_a_list() -> None:
    found = broken(event(why={"enum": ["a", "b"]}), event(why={"enum": ["a"]}), fact=False)
    assert found == ["new readers refuse why as 'b'"]


def test_a_value_may_be_added_to_the_list_of_a_report_and_not_of_a_fact() -> None:
    old, new = event(why={"enum": ["a"]}), event(why={"enum": ["a", "b"]})
    assert broken(old, new, fact=False) == []
    assert broken(old, new, fact=True) == ["old readers refuse why as 'b'"]


def test_a_text_may_not_become_a_list_of_values() -> None:
    found = broken(event(why=TEXT), event(why=TEXT | {"enum": ["a"]}), fact=False)
    assert found == ["new readers refuse why as 'anything'"]


def test_a_constant_may_not_become_another() -> None:
    found = broken(event(why={"const": "a"}), event(why={"const": "b"}), fact=False)
    assert found == ["new readers refuse why as 'a'"]


def test_a_least_value_may_not_rise() -> None:
    found = broken(event(by=TEXT), event(by=TEXT | {"minLength": 1}), fact=False)
    assert found == ["new readers refuse by below its minLength"]


def test_a_most_value_may_not_sink() -> None:
    found = broken(event(by=TEXT | {"maxLength": 9}), event(by=TEXT | {"maxLength": 8}), fact=False)
    assert found == ["new readers refuse by above its maxLength"]


def test_a_pattern_may_not_change() -> None:
    found = broken(event(by=TEXT | {"pattern": "a"}), event(by=TEXT | {"pattern": "b"}), fact=False)
    assert found == ["new readers refuse by with another pattern"]


def test_the_names_of_a_table_may_not_be_narrowed() -> None:
    old = event(tags={"type": "object", "additionalProperties": TEXT})
    new = event(tags={"type": "object", "additionalProperties": TEXT, "propertyNames": {"maxLength": 9}})
    assert broken(old, new, fact=False) == ["new readers refuse tags.* above its maxLength"]


def test_a_definition_is_compared_where_it_is_used() -> None:
    old = event(code={"$ref": "#/$defs/Code"}) | {"$defs": {"Code": event(commit=TEXT)}}
    new = event(code={"$ref": "#/$defs/Commit"}) | {"$defs": {"Commit": event(commit=TEXT, branch=TEXT)}}
    assert broken(old, new, fact=False) == ["new readers refuse code.branch left out"]
