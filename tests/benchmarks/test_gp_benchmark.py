import pytest
from sklearn.datasets import load_iris

from tests.benchmarks.loops import classification
from tests.benchmarks.report import Setting
from tests.benchmarks.sets import Course


@pytest.mark.filterwarnings("ignore")  # scikit-learn's searches that do not converge
def test_a_short_loop_gives_a_row_a_set_and_a_likelihood_no_worse_than_sklearns():
    section = classification(Setting(quick=True), [Course("iris", load_iris(return_X_y=True), 15, 18)])
    row, mean = section.rows
    assert row["rounds"] == 4 and row["chol"] >= 3  # three binary problems a round
    assert row["worst gap"] >= -0.01 and row["worse %"] == 0
    assert mean["data"].startswith("geometric mean") and mean["CPU ratio"] == pytest.approx(row["CPU ratio"])
    head, line, last = section.table().splitlines()
    assert head.split()[0] == "data" and line.split()[0] == "iris" and len(head) == len(line) == len(last) <= 120
