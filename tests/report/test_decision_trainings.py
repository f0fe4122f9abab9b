"""Which checkpoint to choose where MIR of a training still rises, or has turned."""

from dataclasses import replace

from mir_task.report.decision.rules import decide
from mir_task.report.records import Run
from mir_task.report.trainings import Training, trainings
from mir_task.report.trajectory import Point, Trajectory
from mir_task.report.turn import Direction
from tests.report.test_decision import MANY_MIRS, MANY_MIXED, checkpoint, group, labels


def training(name, mirs, scores=None, se=0.01, group=None):
    """Checkpoints of one training at steps 100, 200, …, lowest MIR first."""
    scores = [None] * len(mirs) if scores is None else scores
    found = [
        checkpoint(f"{name}/checkpoint-{100 * step}", mir, score, se, group=group or name)
        for step, (mir, score) in enumerate(zip(mirs, scores, strict=True), start=1)
    ]
    return sorted((replace(c, runs=(Run(c.name, {"mir": c.mir}, ""),)) for c in found), key=lambda c: c.mir)


RISING = [2.0, 2.2, 2.4, 2.6]
TURNED = [2.0, 2.3, 2.6, 2.4, 2.2]


def decided(groups, **baselines):
    found = trainings(c for members in groups.values() for c in members)
    return decide(groups, baselines, (), found)


def test_a_training_whose_mir_rises_is_not_chosen_from_whatever_another_group_has():
    # The other group has the lowest MIR of all, and nothing bars it.
    found = decided({"a": group([1.0, 1.5], se=0.01, name="a", prefix="a"), "b": training("b", RISING)})
    assert (labels(found), found.kind, found.by) == (["a0"], "one", "mir")
    assert found.sentence == (
        "Choose a0 in a (the lowest MIR); in b it is not known, since MIR of b is still rising; no score has tested "
        "here whether lower MIR is better after SFT."
    )
    assert len(found.candidates) == 6 and all(c.p_lowest_mir is not None for c in found.candidates)


def test_where_every_checkpoint_is_barred_none_is_recommended_and_the_sentence_says_why():
    found = decided({"a": training("a", RISING), "b": training("b", RISING)})
    assert (found.kind, found.recommended, found.by, found.p_lowest_mir) == ("not told", [], None, None)
    assert found.sentence.startswith(
        "Which checkpoint to choose is not known, since MIR of a and b is still rising;"
    )
    assert (found.mir, found.recipes_needed, len(found.candidates)) == ("not tested", 13, 8)
    assert found.rests_on


def test_after_the_turn_the_lowest_of_those_after_it_is_chosen():
    found = decided({"a": training("a", TURNED)})
    assert labels(found) == ["a/checkpoint-500"]
    assert found.p_lowest_mir > 0.99  # of those after the turn, though step 100 is lower
    assert found.sentence.startswith(
        "Choose a/checkpoint-500, which has the lowest MIR that may be compared (P over 99% that it truly is);"
    )
    assert any(
        ground.startswith("Three checkpoints of a cannot be chosen by MIR") for ground in found.rests_on
    )


def test_with_nothing_left_after_the_turn_none_is_recommended():
    # The checkpoints after the turn are of another group.
    everything = training("a", TURNED)
    before = [c for c in everything if not c.name.endswith(("400", "500"))]
    decision = decide({"a": before}, {}, (), trainings(everything))
    assert decision.recommended == []
    assert "since nothing was measured after the turn of a" in decision.sentence


def test_a_rising_training_does_not_bar_the_others_of_its_group():
    beside = group([2.5, 3.0], se=0.01, name="g")
    found = decided({"g": sorted([*training("run", RISING, group="g"), *beside], key=lambda c: c.mir)})
    assert labels(found) == ["m0"]
    assert "which has the lowest MIR that may be compared" in found.sentence


def test_without_standard_errors_barred_checkpoints_are_left_out_too():
    groups = {"g": group([2.5, 2.2, 3.0], name="g")}
    found = decide(groups, {}, (), [barring("org/m1")])
    assert (labels(found), found.p_lowest_mir) == (["m0"], None)


def test_two_scored_checkpoints_are_decided_by_their_scores_though_mir_rises():
    found = decided({"a": training("a", [2.0, 2.6], [50.0, 60.0])})
    assert (labels(found), found.by) == (["a/checkpoint-200"], "scores")
    assert found.mir == "too few" and "still rising" not in found.sentence


def test_a_baseline_that_tells_chooses_among_all_though_mir_rises():
    scored = group(MANY_MIRS, MANY_MIXED, name="a", prefix="a", loss=[-score for score in MANY_MIXED])
    rising = [replace(c, extras={"loss": c.mir}) for c in training("b", RISING)]
    found = decided({"a": scored, "b": rising})
    assert (labels(found), found.by) == (["b/checkpoint-100"], "loss")


def test_of_many_groups_those_not_told_are_counted():
    groups = {f"g{i}": group([2, 3], se=0.01, name=f"g{i}", prefix=f"{i}/") for i in range(5)}
    found = decided({**groups, "b": training("b", RISING)})
    assert found.sentence.startswith(
        "Choose the lowest MIR in 5 of 6 groups, which is one checkpoint in 5; in one group it is not known, since MIR "
        "of b is still rising;"
    )


def barring(*names):
    """A training that is rising, of these checkpoints."""
    points = tuple(Point(100.0 * n, 2 + n, 0.01, checkpoint=name) for n, name in enumerate(names))
    return Training(Trajectory("run", "run", points), Direction("rising"))
