from __future__ import annotations

import threading
from pathlib import Path

import pytest

from relay.settings.options import RelayOptions
from relay.settings.packaged import packaged_declarations
from relay.settings.source_options import WITH_CODE
from relay.settings.tables import variants
from relay.templates.library import Library, TemplatesInvalid, packaged_templates
from tests.templates.making import CUSTOMER_EVENTS, ORDER_EVENTS, bindings, evaluate

EVENTS = {*ORDER_EVENTS, *CUSTOMER_EVENTS}


def put(folder: Path, tracked_event: str, text: str | bytes, platform: str = "elasticpath") -> Path:
    path = folder / "sources" / platform / f"{tracked_event}.jsonata"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


PRODUCTS = {"product_created", "product_updated", "product_deleted"}


def library(overlay: Path | None = None) -> Library:
    return Library(packaged_templates(), overlay)


def text_of(loaded: Library, tracked_event: str) -> str:
    template = loaded.source_template("elasticpath", tracked_event)
    assert template is not None
    return template.text


def test_every_tracked_event_has_a_packaged_template() -> None:
    loaded = library()
    models = variants(RelayOptions.model_fields["sources"])
    for platform in WITH_CODE:
        tracked = {template.tracked_event for template in loaded.templates() if template.platform == platform}
        options = models[platform]
        assert tracked == set(options.model_fields["tracking"].get_default(call_default_factory=True).model_dump())
        assert tracked - PRODUCTS == EVENTS or (platform == "segment" and tracked > EVENTS - {"customer_created"})
    stripe = {template.tracked_event for template in loaded.templates() if template.platform == "stripe"}
    assert stripe == set(packaged_declarations()["stripe"].tracking)
    assert loaded.source_template("elasticpath", "nothing") is None
    assert loaded.source_template("nowhere", "order_completed") is None


def test_the_overlay_lies_over_the_packaged_file_by_file(tmp_path: Path) -> None:
    put(tmp_path, "order_completed", "1")
    overlaid = library(tmp_path)
    assert text_of(overlaid, "order_completed") == "1"
    assert text_of(overlaid, "order_updated") == text_of(library(), "order_updated")


def test_an_overlay_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    assert library(tmp_path / "nothing").templates() == library().templates()


def test_a_version_is_that_of_the_text(tmp_path: Path) -> None:
    plain = {(template.platform, template.tracked_event): template.version for template in library().templates()}
    assert len(set(plain.values())) == len(plain)
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in plain.values())
    put(tmp_path, "order_completed", text_of(library(), "order_completed") + " ")
    changed = {(one.platform, one.tracked_event): one.version for one in library(tmp_path).templates()}
    assert {key for key in plain if plain[key] != changed[key]} == {("elasticpath", "order_completed")}


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    put(tmp_path, "order_completed", "{")
    put(tmp_path, "order_updated", b"\xff\xfe")
    put(tmp_path, "order_refunded", "/* nothing */")
    put(tmp_path, "order_canceled", '{"type": "track"}')
    put(tmp_path, "order_completed", "1", platform="elastic_path")
    put(tmp_path, "customer_created", "$mony(1)")
    put(tmp_path, "customer_updated", "1" * 300_000)
    (tmp_path / "order_completed.jsonata").write_text("1")
    with pytest.raises(TemplatesInvalid) as caught:
        library(tmp_path)
    told = {(problem.code, problem.what) for problem in caught.value.problems}
    assert ("template_unknown", "elasticpath has no tracked event 'order_canceled'") in told
    assert ("template_unknown", "there is no platform 'elastic_path'") in told
    assert ("template_unknown", "no template is looked for here") in told
    assert ("template_invalid", "the template is empty") in told
    assert ("template_invalid", "the template is not UTF-8") in told
    assert ("template_invalid", "there is no function $mony") in told
    assert len(told) == 8
    remedies = " ".join(problem.remedy for problem in caught.value.problems)
    assert "Did you mean 'order_cancelled'?" in remedies
    assert "Did you mean 'elasticpath'?" in remedies
    assert str(tmp_path / "sources" / "elasticpath" / "order_completed.jsonata") in str(caught.value)


def test_editor_files_and_other_files_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, ".#order_completed", "{")
    path = put(tmp_path, "order_completed", "1")
    path.with_suffix(".jsonata~").write_text("{")
    path.with_name("README.md").write_text("{")
    (path.parent / "cases").mkdir()
    (path.parent / "cases" / "paid.json").write_text("{")
    assert text_of(library(tmp_path), "order_completed") == "1"


def test_a_byte_order_mark_is_not_part_of_the_template(tmp_path: Path) -> None:
    put(tmp_path, "order_completed", b'\xef\xbb\xbf{"type": "track"}')
    assert text_of(library(tmp_path), "order_completed") == '{"type": "track"}'


def test_a_reload_takes_what_changed(tmp_path: Path) -> None:
    loaded = library(tmp_path)
    assert loaded.reload() == loaded.reload()
    path = put(tmp_path, "order_completed", "1")
    (changed,) = loaded.reload().changed
    assert (changed.tracked_event, changed.path, changed.text) == ("order_completed", path, "1")
    path.unlink()
    (back,) = loaded.reload().changed
    assert back.text == text_of(library(), "order_completed")


def test_a_broken_edit_keeps_the_last_good_templates(tmp_path: Path) -> None:
    put(tmp_path, "order_completed", "1")
    loaded = library(tmp_path)
    put(tmp_path, "order_completed", "{")
    put(tmp_path, "order_updated", "2")
    reloaded = loaded.reload()
    assert [problem.jsonata_code for problem in reloaded.problems] == ["S0203"]
    assert (list(reloaded.changed), list(reloaded.removed)) == ([], [])
    assert text_of(loaded, "order_completed") == "1"
    assert text_of(loaded, "order_updated") != "2"
    put(tmp_path, "order_completed", "3")
    assert not loaded.reload().problems
    assert (text_of(loaded, "order_completed"), text_of(loaded, "order_updated")) == ("3", "2")


def test_templates_can_be_read_while_they_are_reloaded(tmp_path: Path) -> None:
    """A reader sees the templates of one reload, never a mixture that is not there."""
    loaded = library(tmp_path)
    seen: set[str] = set()
    stopped = threading.Event()

    def read() -> None:
        while not stopped.is_set():
            seen.add(text_of(loaded, "order_completed"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(10):
        put(tmp_path, "order_completed", str(number))
        loaded.reload()
    stopped.set()
    reader.join()
    assert seen <= {text_of(library(), "order_completed"), *map(str, range(10))}


def test_known_tracked_events_may_be_given(tmp_path: Path) -> None:
    put(tmp_path, "order_completed", "1")
    with pytest.raises(TemplatesInvalid) as caught:
        Library(tmp_path, None, tracked_events={"elasticpath": ["order_updated"]})
    assert [problem.code for problem in caught.value.problems] == ["template_unknown"]


TEMPLATES = {f"{one.platform}/{one.tracked_event}": one.text for one in library().templates()}
WITHOUT_A_CALL = {
    "shopify/order_refunded": [],
    "stripe/order_completed": ...,
    "bigcommerce/order_completed": ...,
    "bigcommerce/order_cancelled": ...,
    "bigcommerce/order_refunded": [],
}
"""An order without a refund, a session that is not paid, and an order of another status make none."""
WITHOUT_A_CALL |= {name: ... for name in TEMPLATES if name.startswith("commercetools/")}
"""A message without the order or customer that it is about makes none."""
WITHOUT_A_CALL |= {name: ... for name in TEMPLATES if name.startswith("woocommerce/") and "customer" not in name}
"""An order without a status makes none."""
WITHOUT_A_CALL |= {"hana/customer_created": ..., "hana/customer_updated": ...}
"""A contact with neither id nor e-mail address makes none."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_packaged_template_takes_any_object(name: str) -> None:
    """A foreign body ends in nothing, or in a clear failure about what is missing."""
    text = TEMPLATES[name]
    if name.startswith("segment/"):
        # What comes is the call already; the guard judges it.
        assert evaluate(text, {"payload": {}}, **bindings()) == {"payload": {}}
        return
    if name in WITHOUT_A_CALL:
        assert evaluate(text, {"payload": {}}, **bindings()) == WITHOUT_A_CALL[name]
        return
    with pytest.raises(Exception, match=r"\$messageKey: part \d is empty"):
        evaluate(text, {"payload": {}}, **bindings())
