"""Which cases there are: packaged ones for packaged templates, the user's always, nothing overlooked."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.cases.finding import DESTINATIONS, CaseFile, find, selected
from relay.templates.library import Library, packaged_templates
from tests.cases.making import put_case, put_template


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    folder = tmp_path / "packaged"
    for tracked_event in ("order_completed", "order_updated"):
        put_template(folder, tracked_event, "[]")
        put_case(folder, tracked_event, "plain")
        put_case(folder, tracked_event, "guest")
    return folder


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def found(packaged: Path, overlay: Path | None) -> dict[str, CaseFile]:
    return {file.id: file for file in find(packaged, overlay, Library(packaged, overlay).templates()).files}


ALL = [
    f"elasticpath/{tracked}/{name}" for tracked in ("order_completed", "order_updated") for name in ("guest", "plain")
]


def test_packaged_cases_belong_to_packaged_templates(packaged: Path, overlay: Path) -> None:
    assert list(found(packaged, None)) == list(found(packaged, overlay)) == ALL
    put_template(overlay, "order_completed", "[[]]")
    result = find(packaged, overlay, Library(packaged, overlay).templates())
    assert [file.id for file in result.files] == ALL[2:]
    assert result.left_out == {("elasticpath", "order_completed"): 2}


def test_a_copy_without_a_change_is_still_the_packaged_template(packaged: Path, overlay: Path) -> None:
    put_template(overlay, "order_completed", "[]")
    assert list(found(packaged, overlay)) == ALL


def test_the_user_s_cases_always_run_and_replace_those_of_their_name(packaged: Path, overlay: Path) -> None:
    own = [put_case(overlay, "order_completed", name) for name in ("guest", "mine")]
    files = found(packaged, overlay)
    assert list(files) == sorted([*ALL, "elasticpath/order_completed/mine"])
    assert [file.path for file in files.values() if file.own] == own
    put_template(overlay, "order_completed", "[[]]")
    assert [name for name in found(packaged, overlay) if "completed" in name] == [
        "elasticpath/order_completed/guest",
        "elasticpath/order_completed/mine",
    ]


def test_a_folder_that_is_the_packaged_one_is_the_user_s(packaged: Path) -> None:
    files = found(packaged, packaged / ".." / packaged.name)
    assert list(files) == ALL
    assert all(file.own for file in files.values())


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("elasticpath/cases/order_complete/x.json", "did you mean `order_completed`?"),
        ("elasticpat/cases/order_completed/x.json", "did you mean `elasticpath`?"),
        ("elasticpath/cases/x.json", "no case is looked for here"),
        ("elasticpath/cases/order_completed/more/x.json", "no case is looked for here"),
    ],
)
def test_a_misplaced_file_is_told(packaged: Path, overlay: Path, place: str, told: str) -> None:
    path = overlay / "sources" / place
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    (problem,) = (file.problem for file in found(packaged, overlay).values() if file.problem)
    assert told in problem


def test_hidden_files_are_an_editor_s(packaged: Path, overlay: Path) -> None:
    put_case(overlay, "order_completed", ".plain")
    put_case(overlay, ".git", "plain")
    assert list(found(packaged, overlay)) == ALL


def test_selecting(packaged: Path) -> None:
    files = list(found(packaged, None).values())
    cases = packaged / "sources/elasticpath/cases"

    def ids(*paths: Path, word: str | None = None) -> list[str]:
        return [file.id for file in selected(files, paths, word)]

    assert ids() == ALL
    assert ids(cases) == ALL
    assert ids(cases / "order_updated") == ALL[2:]
    assert ids(cases / "order_updated/plain.json", cases / "order_completed/plain.json") == [ALL[1], ALL[3]]
    assert ids(packaged / "sources/elasticpath/order_updated.jsonata") == ALL[2:]
    assert ids(word="Completed/G") == [ALL[0]]
    assert ids(cases / "order_updated", word="plain") == [ALL[3]]
    assert ids(packaged / "elsewhere") == []


def test_every_shipped_template_has_its_cases() -> None:
    """Beside the plain one: a guest, discounts, and what is odd on the platform."""
    packaged = packaged_templates()
    snapshot = Library(packaged, None).snapshot
    templates = snapshot.templates()
    names: dict[tuple[str, str], set[str]] = {
        (template.platform, template.tracked_event): set() for template in templates
    }
    for file in find(packaged, None, templates, snapshot.all_mappings()).files:
        assert not file.problem
        if file.place == DESTINATIONS:
            continue
        names[file.platform, file.tracked_event].add(file.name)
    assert names
    for (platform, tracked_event), found_names in names.items():
        # What passes a call on as it is has little to go wrong; products have neither guests nor discounts.
        simple = platform == "segment" or tracked_event.startswith("product_")
        assert len(found_names) >= (1 if simple else 4), (platform, tracked_event)
        assert "plain" in found_names or simple
        if platform == "elasticpath" and tracked_event.startswith(("order_", "checkout_")):
            assert {"guest", "discounts_and_promotions"} <= found_names
