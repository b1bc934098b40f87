from __future__ import annotations

import pickle
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.codes import CODES
from relay.templates.library import Library, TemplatesInvalid, packaged_templates
from relay.templates.rendering import RenderResult, Warned, render_calls
from relay.templates.tracking_plan import MOST_FINDINGS, Plan
from tests.templates.making import ENGINE, bindings, order

PLAN = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["properties"],
    "properties": {
        "type": {"const": "track"},
        "context": {"properties": {"traits": {"properties": {"email": {"format": "email"}}}}},
        "properties": {
            "required": ["order_id", "currency", "store"],
            "properties": {
                "order_id": {"type": "string", "pattern": "^ORD-"},
                "currency": {"enum": ["EUR", "USD"]},
                "total": {"type": ["number", "null"], "minimum": 0},
                "products": {"minItems": 1, "items": {"$ref": "#/definitions/product"}},
                "options": {"additionalProperties": {"type": "boolean"}},
            },
            "additionalProperties": True,
        },
    },
    "definitions": {
        "product": {
            "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer"}},
            "additionalProperties": False,
        }
    },
}
CALL: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u",
    "context": {"traits": {"email": "ada@example.com"}},
    "properties": {
        "order_id": "ORD-1",
        "currency": "EUR",
        "store": "north",
        "total": 12.5,
        "products": [{"sku": "A", "quantity": 1}],
        "options": {"gift": True},
    },
}


def plan(schema: object) -> Plan:
    return Plan(Path("plans/order_completed.json"), orjson.dumps(schema).decode())


def told(call: dict[str, Any], schema: object = PLAN) -> list[str]:
    found = plan(schema).violations(call)
    assert all(finding.code == "guard_plan" for finding in found)
    return [finding.detail for finding in found]


def changed(**properties: Any) -> dict[str, Any]:
    return {**CALL, "properties": {**CALL["properties"], **properties}}


def test_a_call_as_planned_is_fine() -> None:
    assert told(CALL) == []
    assert told(changed(colour="red", total=None)) == []


@pytest.mark.parametrize(
    ("detail", "call"),
    [
        ("`/properties` lacks `store`", {**CALL, "properties": {"order_id": "ORD-1", "currency": "EUR"}}),
        ("the call lacks `properties`", {"type": "track"}),
        ('`/type` is text, expected const "track"', {**CALL, "type": "identify"}),
        ('`/properties/order_id` is text, expected pattern "^ORD-"', changed(order_id="1")),
        ("`/properties/order_id` is a number, expected string", changed(order_id=1)),
        ('`/properties/currency` is text, expected enum ["EUR","USD"]', changed(currency="GBP")),
        ("`/properties/total` is text, expected null or number", changed(total="12.50")),
        ("`/properties/total` is a number, expected minimum 0", changed(total=-1)),
        ("`/properties/products` is an array, expected minItems 1", changed(products=[])),
        ("`/properties/products/1/quantity` is text, expected integer", changed(products=[{}, {"quantity": "2"}])),
        ("`/properties/products/0` has `colour`, not in the plan", changed(products=[{"colour": "red"}])),
        ("`/properties/options/*` is a number, expected boolean", changed(options={"grace@example.org": 1})),
        ('`/context/traits/email` is text, expected format "email"', {**CALL, "context": {"traits": {"email": "ada"}}}),
    ],
)
def test_what_is_not_as_planned_is_told_with_place_and_kind(detail: str, call: dict[str, Any]) -> None:
    assert told(call) == [detail]


@pytest.mark.parametrize(
    ("rule", "value", "detail"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "is a number and does not match `anyOf`"),
        ({"oneOf": [{}, {}]}, "grace", "is text and does not match `oneOf`"),
        ({"not": {}}, "grace", "is text and does not match `not`"),
        ({"contains": {"const": 1}}, ["grace"], "is an array and does not match `contains`"),
        ({"uniqueItems": True}, ["grace", "grace"], "is an array and does not match `uniqueItems`"),
        ({"unevaluatedItems": False}, ["grace"], "is an array and does not match `unevaluatedItems`"),
        ({"propertyNames": {"maxLength": 3}}, {"grace": 1}, "is an object and does not match `maxLength`"),
        ({"additionalProperties": False}, {"grace@example.org": 1}, "has a field that is not in the plan"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"Grace E": 1}, "has `*`, not in the plan"),
        (False, "grace", "is not in the plan"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "lacks `b`"),
        ({"multipleOf": 0.01}, 0.001, "is a number, expected multipleOf 0.01"),
        ({"if": {"minLength": 1}, "then": {"format": "date"}}, "grace", 'is text, expected format "date"'),
    ],
)  # fmt: skip
def test_no_rule_quotes_a_value(rule: object, value: object, detail: str) -> None:
    assert told({"p": value}, {"properties": {"p": rule}}) == [f"`/p` {detail}"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.just("grace@example.org"),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from([*PLAN["properties"]["properties"]["properties"], "grace@example.org"]),  # type: ignore[index]
                        inner, max_size=3), max_leaves=8))  # fmt: skip
@settings(deadline=None)
def test_any_value_is_looked_at_and_none_is_quoted(value: Any) -> None:
    assert "grace" not in "".join(told({"properties": value}))


def test_many_violations_are_cut() -> None:
    assert len(told(changed(products=[{"sku": 1}] * 100))) == MOST_FINDINGS


def test_a_pattern_cannot_take_forever() -> None:
    backtracks_without_end = {"properties": {"p": {"pattern": r"^(a*)*\1$"}}}
    assert told({"p": "a" * 10_000 + "b"}, backtracks_without_end) == ["`/p` is text and does not match `pattern`"]


def test_a_plan_travels_between_processes_and_threads() -> None:
    one = plan(PLAN)
    expected = one.violations({"type": "page"})
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one
    found: list[object] = []
    for reader in [Thread(target=lambda: found.append(copy.violations({"type": "page"}))) for _ in range(4)]:
        reader.start()
        reader.join()
    assert found == [expected] * 4
    assert len(expected) == 2


# --- loading ---------------------------------------------------------------------------------


def put(folder: Path, name: str, schema: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(schema if isinstance(schema, bytes) else orjson.dumps(schema))
    return path


def library(overlay: Path) -> Library:
    return Library(packaged_templates(), overlay)


def plan_of(loaded: Library, tracked_event: str = "order_completed") -> Plan | None:
    template = loaded.source_template("elasticpath", tracked_event)
    assert template is not None
    return template.plan


def test_a_plan_holds_for_all_platforms_and_that_of_one_takes_its_place(tmp_path: Path) -> None:
    assert plan_of(library(tmp_path)) is None
    general = put(tmp_path, "plans/order_completed.json", PLAN)
    loaded = library(tmp_path)
    assert plan_of(loaded) == Plan(general, general.read_text())
    assert plan_of(loaded, "order_updated") is None
    own = put(tmp_path, "sources/elasticpath/plans/order_completed.json", {"required": ["userId"]})
    assert plan_of(library(tmp_path)) == Plan(own, '{"required":["userId"]}')


def test_the_version_covers_the_plan(tmp_path: Path) -> None:
    def versions() -> dict[str, str]:
        return {template.tracked_event: template.version for template in library(tmp_path).templates()}

    without = versions()
    put(tmp_path, "plans/order_completed.json", PLAN)
    with_plan = versions()
    put(tmp_path, "plans/order_completed.json", {})
    assert {name for name in without if without[name] != with_plan[name]} == {"order_completed"}
    assert len({without["order_completed"], with_plan["order_completed"], versions()["order_completed"]}) == 3


def test_a_broken_plan_is_told_with_its_place(tmp_path: Path) -> None:
    put(tmp_path, "plans/order_completed.json", b'{\n  "required": [,]\n}')
    put(tmp_path, "plans/order_updated.json", {"properties": {"properties": {"type": "objekt"}}})
    put(tmp_path, "plans/order_refunded.json", {"properties": {"a": {"$ref": "common.json#/a"}}})
    put(tmp_path, "plans/order_cancelled.json", [1])
    put(tmp_path, "plans/customer_created.json", b"\xff\xfe")
    put(tmp_path, "plans/customer_updated.json", b" " * 300_000)
    put(tmp_path, "plans/checkout_started.json", {"properties": {"a": {"pattern": "("}}})
    put(tmp_path, "plans/order_canceled.json", {})
    put(tmp_path, "sources/elastic_path/plans/order_completed.json", {})
    put(tmp_path, "sources/plans/order_completed.json", {})
    with pytest.raises(TemplatesInvalid) as caught:
        library(tmp_path)
    told = {problem.file.removeprefix(str(tmp_path)): problem for problem in caught.value.problems}
    expected = {
        "/plans/order_completed.json": ("the plan is not JSON: ", "See json-schema.org."),
        "/plans/order_updated.json": (
            "`/properties/properties/type`: there is no type `objekt`", "Did you mean `object`?"
        ),
        "/plans/order_refunded.json": (
            "a `$ref` leads out of the plan: 'common.json#/a'",
            "Put it into the plan's own `$defs`; no other file is read.",
        ),
        "/plans/order_cancelled.json": ("the plan is not an object", "See json-schema.org."),
        "/plans/customer_created.json": ("the plan is not UTF-8", "Save it as UTF-8."),
        "/plans/customer_updated.json": ("the plan is over 262144 bytes", ""),
        "/plans/checkout_started.json": ('`/properties/a/pattern`: "(" is not a "regex"', "See json-schema.org."),
        "/plans/order_canceled.json": ("there is no tracked event 'order_canceled'", "Did you mean `order_cancelled`?"),
        "/sources/elastic_path/plans/order_completed.json": (
            "there is no platform 'elastic_path'", "Did you mean `elasticpath`?"
        ),
        "/sources/plans/order_completed.json": (
            "no plan is looked for here",
            "Plans are plans/<tracked event>.json or sources/<platform>/plans/<tracked event>.json.",
        ),
    }  # fmt: skip
    assert told.keys() == expected.keys()
    for name, (what, remedy) in expected.items():
        # What follows is in the words of the library.
        assert told[name].what.startswith(what)
        assert told[name].remedy == remedy
    assert {problem.code for problem in caught.value.problems} == {"plan_invalid", "template_unknown"} <= set(CODES)
    place = told["/plans/order_completed.json"].position
    assert place is not None
    assert (place.line, place.column) == (2, 16)


def test_other_files_beside_plans_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "plans/.order_completed.json", b"{")
    put(tmp_path, "plans/README.md", b"{")
    put(tmp_path, "plans/order_completed.json~", b"{")
    put(tmp_path, "sources/elasticpath/cases/paid.json", b"{")
    assert plan_of(library(tmp_path)) is None


def test_a_broken_plan_keeps_the_last_good_one(tmp_path: Path) -> None:
    put(tmp_path, "plans/order_completed.json", PLAN)
    loaded = library(tmp_path)
    before = plan_of(loaded)
    put(tmp_path, "plans/order_completed.json", b"{")
    assert [problem.code for problem in loaded.reload().problems] == ["plan_invalid"]
    assert plan_of(loaded) == before is not None
    put(tmp_path, "plans/order_completed.json", {"required": ["event"]})
    assert {template.tracked_event for template in loaded.reload().changed} == {"order_completed"}
    assert plan_of(loaded) != before


# --- through rendering -----------------------------------------------------------------------


def render(overlay: Path, *, strict: bool) -> RenderResult:
    template = library(overlay).source_template("elasticpath", "order_completed")
    assert template is not None
    return render_calls(
        ENGINE,
        template,
        order(),
        bindings(),
        source="shop",
        tracked_event="order_completed",
        delivery_key="delivery-1",
        occurred_at_ms=None,
        received_at_ms=0,
        strict=strict,
    )


def test_a_call_not_as_planned_goes_with_a_warning_or_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "plans/order_completed.json", {"properties": {"properties": {"required": ["store"]}}})
    detail = "`/properties` lacks `store`"
    lax = render(tmp_path, strict=False)
    assert len(lax.calls) == 1
    assert lax.warnings == (Warned(0, "guard_plan", detail),)
    strict = render(tmp_path, strict=True)
    assert strict.calls == []
    assert [(rejected.code, rejected.detail) for rejected in strict.rejected] == [("guard_plan", detail)]


def test_the_plan_sees_the_call_as_it_is_sent(tmp_path: Path) -> None:
    schema = {
        "required": ["timestamp", "context"],
        "properties": {"messageId": False, "context": {"required": ["library"]}},
    }
    put(tmp_path, "plans/order_completed.json", schema)
    assert render(tmp_path, strict=True).rejected == []
