"""Tasks of the study are its own."""

import pytest
from lmms_eval.tasks import TaskManager, get_task_dict

from mir_task.study import evaluate
from mir_task.study.run import SCORE_TASKS
from tests.lmms.test_plugin import OUR_TASKS

STUDY_TASKS = {"mir_study", *SCORE_TASKS}


@pytest.fixture(scope="module")
def everyones():
    return TaskManager()


def test_they_are_in_nobody_elses_list_or_wildcard(everyones):
    assert set(everyones.match_tasks(["mir*"])) > OUR_TASKS
    assert not STUDY_TASKS & set(everyones.all_tasks)


def test_the_studys_own_task_manager_has_them_beside_all_others(everyones):
    manager = evaluate._task_manager()
    assert set(manager.all_tasks) == STUDY_TASKS | set(everyones.all_tasks)
    (group,) = get_task_dict(["mir_study"], manager).values()
    assert set(group) == STUDY_TASKS - {"mir_study"}
