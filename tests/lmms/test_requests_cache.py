"""What lmms-eval caches of one run: nothing of ours may be measured in another."""

import pytest
from lmms_eval.api.task import ConfigurableTask
from lmms_eval.caching.response_cache import ResponseCache
from lmms_eval.tasks import TaskManager, get_task_dict

from mir_task import measure
from mir_task.data import local_pairs
from tests.lmms.evaluation import Model, evaluate
from tests.lmms.test_plugin import COLOUR_TASK, run, values


@pytest.fixture(scope="module")
def task_manager():
    return TaskManager(include_path=str(COLOUR_TASK))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder that ``--cache_requests`` writes to, an empty one."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("lmms_eval.caching.cache.PATH", str(folder))
    return folder


def choose(monkeypatch, folder, count):
    """Settings for so many pairs of the folders below this one."""
    for name, value in {"IMAGES": folder / "images", "TEXTS": folder / "texts", "NUM_PAIRS": count}.items():
        monkeypatch.setenv(f"MIR_{name}", str(value))


def test_a_run_with_cached_requests_measures_its_own_pairs(
    llava, cache, task_manager, folders, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in folders:
        folder.rename(elsewhere / folder.name)
    for images in (tmp_path / "images", tmp_path / "texts"):
        images.symlink_to(elsewhere / images.name)

    def told(folder, count, name):
        choose(monkeypatch, folder, count)
        output = tmp_path / name
        return evaluate(Model(llava), ["mir_local"], task_manager, output, cache_requests=True)

    told(elsewhere, 3, "first")
    second = told(tmp_path, 5, "second")
    third = told(tmp_path, 2, "third")
    pairs = local_pairs(tmp_path / "images", tmp_path / "texts", count=5)
    assert second["results"]["mir_local"]["mir_pairs,none"] == 5
    assert second["results"]["mir_local"]["mir,none"] == measure(*llava, pairs, progress=False).mir
    assert second["configs"]["mir_local"]["protocol"]["images"] == str(tmp_path / "images")
    assert third["results"]["mir_local"]["mir_pairs,none"] == 2  # lmms-eval's cache: an IndexError
    assert not list(cache.glob("*mir*"))


def test_requests_that_an_earlier_version_cached_are_left_alone(cache, task_manager, folders, monkeypatch):
    def task():
        (task,) = get_task_dict(["mir_local"], task_manager).values()
        return task

    choose(monkeypatch, folders[0].parent, 3)
    ConfigurableTask.build_all_requests(task(), cache_requests=True)
    assert len(list(cache.glob("requests-mir_local-*"))) == 1
    choose(monkeypatch, folders[0].parent, 5)
    later = task()
    ConfigurableTask.build_all_requests(later, cache_requests=True)
    assert len(later.instances) == 3  # so it went
    later.build_all_requests(cache_requests=True)
    assert [request.doc_id for request in later.instances] == [0, 1, 2, 3, 4]


def test_other_tasks_of_the_run_are_cached_as_ever(cache, task_manager, monkeypatch):
    monkeypatch.setenv("MIR_NUM_PAIRS", "3")
    for task in get_task_dict(["mir_builtin", "colour"], task_manager).values():
        task.build_all_requests(cache_requests=True)
    (file,) = cache.iterdir()
    assert file.name.startswith("requests-colour-")


def test_the_response_cache_hands_none_of_our_answers_to_another_run(
    llava, task_manager, tmp_path, monkeypatch
):
    model = Model(llava)
    for count in ("3", "5"):
        monkeypatch.setenv("MIR_NUM_PAIRS", count)
        (task,) = get_task_dict(["mir_builtin"], task_manager).values()
        task.build_all_requests()
        _, expected = run(model, task)
        responses = ResponseCache.create(str(tmp_path), model="tiny", task_dict={"mir_builtin": task})
        answers = responses.execute(model, "mir", task.instances)
        assert responses.get_stats()["hits"] == 0
        responses.finalize(success=True, dist_backend="accelerate", accelerator=None)
        assert values(task, answers) == values(task, expected)
        assert values(task, answers)["mir_pairs"] == int(count)
