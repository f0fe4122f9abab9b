"""Figures of per-layer files, training steps and baselines."""

import re

from mir_task.report.figures.style import slug


def test_every_kind_of_figure_is_drawn(workshop):
    for index in range(4):
        workshop.result(f"ckpt/$m{index}$ <b>", 2.5 - index / 10, standard_error=0.02)
    rows = [
        {
            "model": f"ckpt/$m{i}$ <b>",
            "step": 100 * i + 100,
            "loss": 2 - i / 9 + i % 2,
            "gqa": 50 + i,
            "pope": 80 - i % 2,
        }
        for i in range(4)
    ]
    table = workshop.table(rows)
    status, out, _ = workshop.run(workshop.folder / "results", "--scores", table)
    assert status == 0
    assert "even a perfect order could be chance" in out
    names = {file.stem for file in (workshop.output / "figures").glob("*.svg")}
    kinds = {re.sub(r"-?\d.*", "", name) for name in names}
    assert kinds == {"average", "benchmark", "baseline", "distance", "norm-ratio", "layers-m", "mir-by-step"}
    page = workshop.page
    assert page.count("<svg") == len(names)
    assert "<b>" not in page and "$m0$ &lt;b&gt;" in page
    assert "At or below a noise floor" not in page
    # One set of ids, and no colour that does not follow the reader's scheme.
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    svgs = "".join(re.findall(r"<svg.*?</svg>", page, re.S))
    assert set(re.findall(r"#[0-9a-f]{6}\b", svgs)) <= {"#000000"}


def test_layers_below_their_noise_floor_are_named(workshop):
    path = workshop.result("m", 2.5)
    text = path.read_text().replace('"noise_floor_text": 0.1', '"noise_floor_text": 1e6', 2)
    path.write_text(text)
    assert workshop.run(path)[0] == 0
    assert "At or below a noise floor, so no more than noise: layers 1, 2." in workshop.page
    assert "One model: the MIR of m is 2.500 ± 0.010." in workshop.page


def test_names_of_files():
    assert slug("Table 1: a/b", "../é") == "table-1-a-b"
    assert slug("日本") == "figure"
