"""Checkpoints whose vision tokens say the same whatever the picture: their MIR chooses nothing."""

ALIKE = {
    "code": "image_share",
    "sentence": "Pictures hardly differ in the vision tokens: 0.1% of their variance lies between pictures.",
    "figures": {"image_share": 0.001},
}


def decision(workshop):
    workshop.report(workshop.results)
    return workshop.regression.decision


def test_the_lowest_mir_of_a_model_that_sees_nothing_is_not_chosen(workshop):
    workshop.result("blind", 1.0, trust=[ALIKE])
    workshop.result("seeing", 2.0)
    workshop.result("worse", 3.0)
    found = decision(workshop)
    assert found.recommended == ["seeing"] and found.by == "mir"
    assert "the lowest MIR that may be compared" in found.sentence
    assert "Left out of the choice by MIR, since their pictures hardly differ: blind." in found.rests_on


def test_where_no_model_sees_anything_none_is_chosen_and_the_sentence_says_why(workshop):
    workshop.result("a", 1.0, trust=[ALIKE])
    workshop.result("b", 2.0, trust=[ALIKE])
    found = decision(workshop)
    assert found.recommended == [] and found.kind == "not told"
    assert "since pictures hardly differ in the vision tokens of a and b" in found.sentence


def test_without_that_reason_the_lowest_is_chosen(workshop):
    workshop.result("blind", 1.0)
    workshop.result("seeing", 2.0)
    assert decision(workshop).recommended == ["blind"]
