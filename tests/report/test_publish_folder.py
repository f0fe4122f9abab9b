"""What is in a folder already, and names that would leave it."""

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mir_task.report.cli import INCOMPLETE, WRITTEN
from mir_task.report.publish.folder import write_folder
from mir_task.report.publish.slugs import slugs
from mir_task.report.records import MIRReportError
from tests.report.publishing import publish

pytestmark = pytest.mark.usefixtures("undrawn")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_of_the_users_is_never_overwritten(workshop):
    workshop.five_results()
    mine = workshop.folder / "published" / "space" / "README.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    published = publish(workshop, workshop.results)
    assert published.ran.status == INCOMPLETE
    assert f"{mine} is not mir-report's" in published.ran.errors
    assert contents(published.folder) == {"space/README.md": b"mine"}


def test_files_of_the_users_beside_ours_stay(workshop):
    workshop.five_results()
    mine = workshop.folder / "published" / "models" / "ckpt__run-a" / "README.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for _ in range(2):
        assert publish(workshop, workshop.results).ran.status == WRITTEN
    assert mine.read_text() == "mine"


def test_a_second_time_gives_the_same_files(workshop):
    workshop.five_results()
    first = contents(publish(workshop, workshop.results).folder)
    assert contents(publish(workshop, workshop.results).folder) == first


def test_models_that_are_gone_are_taken_away(workshop):
    workshop.five_results()
    publish(workshop, workshop.results)
    for path in (workshop.results / "ckpt__run-a").iterdir():
        path.unlink()
    assert publish(workshop, workshop.results).models == [f"ckpt__run-{name}" for name in "bcde"]


def test_an_edited_file_is_not_overwritten(workshop):
    workshop.five_results()
    edited = publish(workshop, workshop.results).folder / "space" / "README.md"
    edited.write_text("edited")
    published = publish(workshop, workshop.results)
    assert published.ran.status == INCOMPLETE and f"{edited} is edited since" in published.ran.errors
    assert edited.read_text() == "edited"


def test_an_edited_file_of_a_model_that_is_gone_is_kept_and_said(workshop):
    workshop.five_results()
    edited = publish(workshop, workshop.results).folder / "models/ckpt__run-a/model-index.yaml"
    edited.write_text("edited")
    for path in (workshop.results / "ckpt__run-a").iterdir():
        path.unlink()
    published = publish(workshop, workshop.results)
    assert (
        edited.read_text() == "edited"
        and f"Kept, since someone edited them: {edited}" in published.ran.output
    )


def test_nothing_is_written_through_a_link_out_of_the_folder(workshop):
    workshop.five_results()
    outside, folder = workshop.folder / "outside", workshop.folder / "published"
    outside.mkdir()
    folder.mkdir()
    (folder / "space").symlink_to(outside)
    assert publish(workshop, workshop.results).ran.status == INCOMPLETE
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../precious.txt", "{absolute}", "models/../../precious.txt"])
def test_a_list_of_files_that_someone_changed_takes_nothing_away_outside(tmp_path, path):
    precious, folder = tmp_path / "precious.txt", tmp_path / "published"
    precious.write_text("precious")
    write_folder(folder, {"a.txt": "a"})
    manifest = json.loads((folder / "published.json").read_text())
    manifest["files"][path.format(absolute=precious)] = hashlib.sha256(b"precious").hexdigest()
    (folder / "published.json").write_text(json.dumps(manifest))
    write_folder(folder, {"b.txt": "b"})
    assert precious.read_text() == "precious"
    assert set(contents(folder)) == {"b.txt", "published.json"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": []}', "nonsense"])
def test_a_list_of_files_that_is_none_is_a_refusal(tmp_path, text):
    (tmp_path / "published.json").write_text(text)
    with pytest.raises(MIRReportError, match=r"published\.json is not the list of files"):
        write_folder(tmp_path, {"a.txt": "a"})
    assert set(contents(tmp_path)) == {"published.json"}


def test_a_file_in_the_place_of_the_folder_is_a_refusal(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MIRReportError, match="is a file; name a folder"):
        write_folder(tmp_path / "file", {"a.txt": "a"})


def test_a_file_in_the_place_of_a_folder_below_is_a_refusal(tmp_path):
    (tmp_path / "space").write_text("mine")
    with pytest.raises(MIRReportError, match="not mir-report's"):
        write_folder(tmp_path, {"space/README.md": "a"})


def test_what_was_published_is_not_read_as_results(workshop):
    workshop.five_results()
    inside = workshop.results / "published"
    first = workshop.run(workshop.results, "--publish", inside)
    rows = workshop.leaderboard
    second = workshop.run(workshop.results, "--publish", inside)
    assert (first.status, second.status) == (WRITTEN, WRITTEN)
    assert workshop.leaderboard == rows


SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
NAMES = st.lists(
    st.text(max_size=20) | st.sampled_from(["..", ".", "/", "a/b", "A/B", "a__b", "nul", "模型", ".git"])
)


@given(NAMES)
def test_file_names_are_safe_and_no_two_are_one(names):
    made = slugs(names)
    assert set(made) == set(names)
    assert len({slug.casefold() for slug in made.values()}) == len(set(names))
    for slug in made.values():
        assert SAFE.fullmatch(slug) and len(slug) < 100 and not slug.endswith(".")


def test_a_name_of_the_hub_is_the_folder_that_lmms_eval_gives_it():
    assert slugs(["org/model-7b.v1"]) == {"org/model-7b.v1": "org__model-7b.v1"}


def test_models_of_one_file_name_have_a_folder_each(workshop):
    for index, name in enumerate(("../run a", "..\\run?a", "run*a", "模型", "模")):
        workshop.result(name, 2 + index / 10, str(index))
    published = publish(workshop, workshop.results)
    assert published.ran.status == WRITTEN, published.ran.errors
    assert len(published.models) == 5
    written = {path.resolve() for path in workshop.folder.rglob("model-index.yaml")}
    assert all(path.is_relative_to(published.folder.resolve()) for path in written) and len(written) == 5
