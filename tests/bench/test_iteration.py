"""What the polar iteration would be in other precisions and from other starts."""

import pytest
import torch

from mir_task.bench import iteration


def test_tf32_keeps_ten_bits_of_mantissa():
    numbers = torch.tensor([1 + 2**-10, 1 + 2**-12, -(1 + 2**-12), 3e-20, 0.0])
    assert iteration.rounded(numbers)[[0, 1, 2, 4]].tolist() == [1 + 2**-10, 1, -1, 0]
    assert float(iteration.rounded(numbers)[3]) == pytest.approx(3e-20, rel=2**-11)


def test_products_in_tf32_are_of_rounded_inputs():
    a, b = torch.rand(2, 8, 8)
    with iteration.InTF32():
        product, sum_of_both = a @ b, torch.addmm(a, a, b)
    expected = iteration.rounded(a).double() @ iteration.rounded(b).double()
    torch.testing.assert_close(product.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(sum_of_both.double(), a + expected, rtol=1e-6, atol=0)
    assert not torch.allclose(product, a @ b, rtol=1e-6)


def test_a_known_smallest_singular_value_saves_steps_and_no_digit():
    records = {
        (each["start"], each["products"]): each
        for each in iteration.run((48,))
        if each["between"] == "vision and text"
    }
    asked, known = (
        records[start, "float64"] for start in ("accuracy of the distance", "norm of the inverse")
    )
    assert known["steps"] < 0.6 * asked["steps"]
    assert max(known["error"], asked["error"]) < 1e-13
    tf32, single = (records["accuracy of noise floors", precision] for precision in ("tf32", "float32"))
    assert tf32["error"] > 100 * single["error"]
