"""lmms-eval's ``--batch_size``, whatever its classes make of it."""

import pytest
from lmms_eval.models import get_model
from lmms_eval.tasks import TaskManager, get_task_dict

from tests.lmms.evaluation import Model
from tests.lmms.test_plugin import run, values


@pytest.fixture(scope="module")
def task_manager():
    return TaskManager()


@pytest.fixture
def builtin_task(monkeypatch, task_manager):
    monkeypatch.setenv("MIR_NUM_PAIRS", "4")
    (task,) = get_task_dict(["mir_builtin"], task_manager).values()
    task.build_all_requests()
    return task


def recorded(task, answers):
    """Batch size in the whole result."""
    return task.process_results({}, [answers[0].text])["mir"]["results"][""]["batch_size"]


@pytest.mark.parametrize(
    ("batch_size", "shared"), [(3, 3), ("3", 3), ("auto", 1), ("auto:4", 1), (0, 1), (None, 1)]
)
def test_lmms_evals_batch_size_is_taken(llava, builtin_task, batch_size, shared):
    model = Model(llava)
    _, alone = run(model, builtin_task)
    model.batch_size_per_gpu = batch_size
    _, answers = run(model, builtin_task)
    assert recorded(builtin_task, answers) == shared
    assert values(builtin_task, answers)["mir"] == pytest.approx(values(builtin_task, alone)["mir"], rel=1e-6)


def test_a_batch_size_that_cannot_be_read_is_one(llava, builtin_task):
    class Odd(Model):
        @property
        def batch_size_per_gpu(self):
            raise RuntimeError("not found yet")

    _, answers = run(Odd(llava), builtin_task)
    assert recorded(builtin_task, answers) == 1


def test_our_own_models_take_an_automatic_batch_size_for_one():
    # lmms-eval's command line hands it over so.
    model = get_model("mir_demo").create_from_arg_string("", {"batch_size": "auto"})
    assert model.batch_size_per_gpu == 1
