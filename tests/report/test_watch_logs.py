"""MIR from the log of transformers' Trainer, without --watch."""

import json
import os

import pytest

from tests.report import trainer_log
from tests.report.trainer_log import history, measured, save, state, train

pytestmark = pytest.mark.usefixtures("undrawn")

RISING = (1.0, 1.2, 1.4, 1.6)
TURNED = (1.0, 1.3, 1.6, 1.9, 1.6, 1.3, 1.1)


@pytest.fixture
def run(workshop):
    return workshop.folder / "run"


def steps_of(workshop):
    return {float(row["step"]): float(row["mir"]) for row in workshop.leaderboard}


def test_each_measured_step_is_a_checkpoint_with_step_loss_and_error(workshop, run):
    train(run, RISING)
    workshop.report(run)
    assert steps_of(workshop) == {100: 1.0, 200: 1.2, 300: 1.4, 400: 1.6}
    first = workshop.leaderboard[0]
    assert first["model"] == f"{run.as_posix()}/checkpoint-100"
    assert (first["standard_error"], first["loss"], first["eval_loss"]) == ("0.01", "2.0", "2.1")
    assert first["runs"] == "1"


def test_the_log_at_the_end_of_training_says_the_same(workshop, run):
    train(run, RISING)
    save(run, state([*history(RISING), {"train_runtime": 9.0, "train_loss": 1.9, "step": 400, "epoch": 4.0}]))
    workshop.report(run)
    assert steps_of(workshop) == {100: 1.0, 200: 1.2, 300: 1.4, 400: 1.6}
    assert {row["runs"] for row in workshop.leaderboard} == {"1"}


def test_one_checkpoint_alone_has_the_history_of_all(workshop, run):
    save(run / "checkpoint-400", state(history(RISING)))
    workshop.report(run / "checkpoint-400")
    assert list(steps_of(workshop)) == [100, 200, 300, 400]


def test_a_measurement_in_both_log_and_file_counts_once(workshop, run):
    train(run, RISING)
    for number, mir in enumerate(RISING, start=1):
        file = workshop.result("live", mir, standard_error=0.02)
        (run / "mir").mkdir(exist_ok=True)
        file.rename(run / "mir" / f"mir_step_{100 * number:06d}.json")
    workshop.report(run)
    assert steps_of(workshop) == {100: 1.0, 200: 1.2, 300: 1.4, 400: 1.6}
    first = workshop.leaderboard[0]
    # The file says more than the log, and the log knows the loss.
    assert (first["runs"], first["pairs"], first["standard_error"], first["loss"]) == (
        "1",
        "100",
        "0.02",
        "2.0",
    )


def test_files_in_a_folder_of_their_own_are_known_by_their_numbers(workshop, run):
    train(run, RISING)
    train(workshop.folder / "other", RISING[::-1])
    elsewhere = workshop.folder / "mir"
    elsewhere.mkdir()
    file = workshop.result("live", 1.6, standard_error=0.02).rename(elsewhere / "mir_step_000400.json")
    workshop.report(workshop.folder / "other", run, file)
    found = {row["model"]: row["pairs"] for row in workshop.leaderboard}
    assert len(found) == 8 and found[f"{run.as_posix()}/checkpoint-400"] == "100.0"


def test_files_of_steps_alone_are_checkpoints_of_one_training_too(workshop, run):
    run.mkdir()
    for number, mir in enumerate(RISING, start=1):
        workshop.result("live", mir, standard_error=0.01).rename(run / f"mir_step_{100 * number:06d}.json")
    said = workshop.report(run)
    assert steps_of(workshop) == {100: 1.0, 200: 1.2, 300: 1.4, 400: 1.6}
    assert "MIR of run is still rising" in said


@pytest.mark.parametrize(("second", "said"), [("0", "is still rising"), ("1", "cannot be told")])
def test_steps_measured_on_the_same_pairs_are_told_apart_by_less(workshop, run, second, said):
    run.mkdir()
    noise = [0.1, -0.1] * 5
    for step, mir, pairs in ((100, 2.0, "0"), (200, 2.01, second)):
        shared = {"mir_left_out": [mir + n + 1e-5 * i for i, n in enumerate(noise)], "groups": 10}
        protocol = {"seed": int(pairs), "pair_ids": [f"{pairs}-{number}" for number in range(100)]}
        file = workshop.result("live", mir, "live", protocol, standard_error=0.3, **shared)
        file.rename(run / f"mir_step_{step:06d}.json")
    assert said in workshop.report(run)


def test_several_folders_are_several_trainings(workshop):
    runs = workshop.folder / "runs"
    train(runs / "seed0", RISING)
    train(runs / "seed1", RISING[::-1])
    workshop.report(runs)
    groups = {row["group"] for row in workshop.leaderboard}
    assert groups == {"seed0", "seed1"}
    assert len(workshop.leaderboard) == 8


def test_a_training_that_went_on_from_an_earlier_checkpoint_has_its_new_course(workshop, run):
    train(run, (1.0, 1.2, 5.0, 6.0))  # went wrong from step 300 on
    again = state(history((1.0, 1.2, 1.4)))
    save(run / "checkpoint-300", again)
    old = run / "checkpoint-400" / "trainer_state.json"
    os.utime(old, (1, 1))
    workshop.result("live", 6.0, standard_error=0.01).rename(run / "mir_step_000400.json")
    errors = workshop.incomplete(run)
    assert steps_of(workshop) == {100: 1.0, 200: 1.2, 300: 1.4}
    assert "at step 300 it has eval_mir 5" in errors and str(old) in errors
    assert "the log is of an earlier course of this training" in errors
    assert "the file is of an earlier course of this training" in errors and "mir_step_000400.json" in errors


def test_of_two_numbers_at_one_step_the_first_counts(workshop, run):
    """After training, evaluate() logs MIR of the best model's weights under the last step."""
    save(run, state([*history(RISING), measured(400, 1.0)]))
    workshop.report(run)
    assert steps_of(workshop)[400] == 1.6


def test_a_file_that_contradicts_the_log_is_left_out_with_a_word(workshop, run):
    train(run, RISING)
    file = workshop.result("live", 0.7, standard_error=0.01).rename(run / "mir_step_000400.json")
    errors = workshop.incomplete(run)
    assert steps_of(workshop)[400] == 1.6
    assert "the file has MIR 0.7, and the log of step 400" in errors and str(file) in errors


def test_loss_is_the_last_that_was_logged_since_the_measurement_before(workshop, run):
    log = [
        trainer_log.trained(50, 3.0),
        trainer_log.trained(90, 2.5),
        measured(100, 1.0),
        measured(200, 1.2),
        trainer_log.trained(250, 2.0),
        measured(300, 1.4),
    ]
    save(run, state(log))
    workshop.report(run)
    assert {f"{float(row['step']):g}": row["loss"] for row in workshop.leaderboard} == {
        "100": "2.5",
        "200": "",
        "300": "2.0",
    }


def test_scores_of_checkpoints_join_by_their_folders(workshop, run):
    train(run, TURNED)
    names = [f"checkpoint-{100 * number}" for number in range(1, 8)]
    table = workshop.table([{"model": name, "gqa": 50 + i} for i, name in enumerate(names)])
    workshop.report(run, "--scores", table)
    (fit,) = workshop.regression.groups
    assert (fit.n, fit.group) == (7, "run")


# What is not whole


@pytest.mark.parametrize("cut", [0, 1, 300, -2])
def test_a_half_written_log_is_skipped_with_a_word_and_the_others_count(workshop, run, cut):
    train(run, RISING)
    late = run / "checkpoint-400" / "trainer_state.json"
    late.write_text(late.read_text()[:cut])
    errors = workshop.incomplete(run)
    assert list(steps_of(workshop)) == [100, 200, 300]
    assert str(late) in errors and ("is not JSON" in errors or "is empty" in errors)


def test_a_step_at_which_mir_was_nan_is_named_and_left_out(workshop, run):
    save(run, state([*history(RISING), {"epoch": 5.0, "eval_mir": float("nan"), "step": 500}]))
    errors = workshop.incomplete(run)
    assert list(steps_of(workshop)) == [100, 200, 300, 400]
    assert "eval_mir is NaN at step 500" in errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_history": 3}, "log_history is no list of objects"),
        ({"log_history": [{"eval_mir": 1.0}]}, "log_history, entry 1: step is None"),
        ({"log_history": [{"eval_mir": "1.0", "step": 1}]}, "log_history, entry 1: eval_mir is '1.0'"),
    ],
)
def test_a_damaged_log_is_skipped_with_entry_and_key(workshop, run, change, message):
    save(run, json.dumps(json.loads(state(history(RISING))) | change))
    assert message in workshop.refusal(run)


def test_a_training_without_mir_is_no_result(workshop, run):
    save(run, state([trainer_log.trained(100, 2.0)]))
    assert "trainer_state.json with eval_mir" in workshop.refusal(run)


def test_files_of_the_model_beside_the_log_are_not_looked_at(workshop, run):
    train(run, RISING)
    for number in (100, 200):
        (run / f"checkpoint-{number}" / "config.json").write_text('{"model_type": "llava"}')
        (run / f"checkpoint-{number}" / "tokenizer.json").write_text("[")
    workshop.report(run)


# What it says


def test_while_mir_rises_nothing_is_recommended(workshop, run):
    train(run, RISING)
    said = workshop.report(run)
    assert said.startswith(
        "Which checkpoint to choose is not known, since MIR of run is still rising; no score "
    )
    warning = "the lowest MIR here is the least trained checkpoint; do not choose by it"
    assert warning in said and warning in workshop.page and warning in workshop.markdown
    assert workshop.regression.decision.sentence == said.splitlines()[0]


def test_after_the_turn_the_lowest_before_it_is_not_recommended(workshop, run):
    train(run, TURNED)
    said = workshop.report(run)
    assert said.startswith("Choose checkpoint-700, which has the lowest MIR that may be compared (P ")
    assert "MIR of run turned at step 400" in workshop.page
    (course,) = workshop.regression.trainings
    assert (course.direction, course.turn, course.mir) == ("turned", 400, list(TURNED))
    assert "not the lowest of all, step 100, which is before it" in workshop.page


def test_a_falling_mir_is_no_warning(workshop, run):
    train(run, RISING[::-1])
    said = workshop.report(run)
    assert "Choose checkpoint-400, which has the lowest MIR (" in said
    assert "do not choose by it" not in said
    assert "All 4 models differ in MIR" in said


def test_checkpoints_measured_by_lmms_eval_have_a_turn_too(workshop):
    for number, mir in enumerate(TURNED, start=1):
        workshop.result(f"out/checkpoint-{100 * number}", mir, standard_error=0.01)
    assert "MIR of out turned at step 400" in workshop.report(workshop.results)


def test_models_that_are_no_checkpoints_of_one_training_are_as_before(workshop):
    workshop.five_results()
    assert "rising" not in workshop.report(workshop.results)
