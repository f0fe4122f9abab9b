"""Reason and decision speak of the same groups when they say what choosing the lowest MIR costs."""

import re


def test_the_reason_counts_groups_of_two_models_as_the_decision_does(workshop):
    scores = []
    for group, count in (("many", 5), ("two", 2)):
        for number in range(count):
            name = f"{group}{number}"
            workshop.result(name, 2.0 + number / 10)
            # The lowest MIR has the worst score: four points lost among five models, one among two.
            scores.append({"model": name, "group": group, "gqa": 50 + number})
    terminal = workshop.report(workshop.results, workshop.table(scores))
    lost = set(re.findall(r"lost (?:on average )?(\d+\.\d+) points", terminal))
    assert lost == {"2.50"}
    assert "0 of 2 groups" in workshop.regression.decision.sentence
