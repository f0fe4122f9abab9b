import pytest

from mir_task.adapters import adapter_for
from tests.adapters.cases import CASES
from tests.tiny import build


@pytest.fixture(scope="module", params=CASES)
def family(request):
    """Name of a tiny model; a test of this fixture, or of the two below, runs once for each."""
    return request.param


@pytest.fixture(scope="module")
def case(family):
    """Facts about that model, from its family's own source."""
    return CASES[family]


@pytest.fixture(scope="module")
def adapter(family):
    """The model and its processor behind their adapter."""
    try:
        model, processor = build(family)
    except AttributeError as error:  # raised by transformers for classes that it does not have
        pytest.skip(f"this transformers has no such class: {error}")
    return adapter_for(model, processor)
