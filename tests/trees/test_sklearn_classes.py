"""Conversion of scikit-learn's classifiers of several classes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from emm.trees.sklearn_trees import classifier_of_classes, from_sklearn
from tests.trees.test_sklearn_trees import INPUTS, ROWS, Array, decision, fitted, make_rows


def make_classes(classes: int, seed: int = 0) -> tuple[Array, NDArray[np.uint8]]:
    """Columns, and classes of unequal frequency that depend on them."""
    columns, _ = make_rows(INPUTS, seed)
    score = np.nan_to_num(columns[:, :3], nan=1.0).sum(1) + np.sin(columns[:, 3:]).sum(1)
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1] ** 2)
    return columns, np.digitize(score, edges).astype(np.uint8)


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("iterations", [1, 12])
def test_equals_the_decision_of_scikit_learn_for_every_class(classes: int, iterations: int):
    columns, labels = make_classes(classes)
    estimator = fitted(INPUTS, columns, labels)
    ours = decision(from_sklearn(estimator, INPUTS, iterations, classes), INPUTS, columns)
    expected = list(estimator.staged_decision_function(columns))[iterations - 1]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_ids_unseen_in_training_go_where_scikit_learn_sends_them():
    estimator = fitted(INPUTS, *make_classes(3))
    columns, _ = make_classes(3, seed=1)
    columns[:, INPUTS.dense :] += 90
    ours = decision(from_sklearn(estimator, INPUTS, 12, 3), INPUTS, columns)
    np.testing.assert_allclose(ours, estimator.decision_function(columns), rtol=0, atol=1e-12)


def test_two_classes_have_two_outputs_with_the_probabilities_of_scikit_learn():
    columns, labels = make_classes(2)
    estimator = fitted(INPUTS, columns, labels)
    ensemble = from_sklearn(estimator, INPUTS, 12, 2)
    ours = log_softmax(decision(ensemble, INPUTS, columns), axis=1)
    expected = np.log(estimator.predict_proba(columns))
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_the_score_of_an_iteration_is_the_macro_auc():
    columns, labels = make_classes(3)
    held_out, known = make_classes(3, seed=1)
    estimator = classifier_of_classes(max_iter=4, early_stopping=True, random_state=0)
    estimator.fit(columns, labels, X_val=held_out, y_val=known)
    expected = [
        roc_auc_score(known, stage, multi_class="ovr")
        for stage in estimator.staged_predict_proba(held_out)
    ]
    np.testing.assert_allclose(estimator.validation_score_[1:], expected, rtol=0, atol=1e-12)


def test_a_class_that_validation_lacks_does_not_count_in_the_score():
    columns, labels = make_classes(3)
    held_out, known = make_classes(3, seed=1)
    kept = known > 0
    estimator = classifier_of_classes(max_iter=1, early_stopping=True, random_state=0)
    estimator.fit(columns, labels, X_val=held_out[kept], y_val=known[kept])
    scores = estimator.predict_proba(held_out[kept])
    expected = [roc_auc_score(known[kept] == number, scores[:, number]) for number in (1, 2)]
    assert estimator.validation_score_[-1] == pytest.approx(np.mean(expected), abs=1e-12)


def test_a_class_that_scikit_learns_sample_of_train_lacks_is_no_error():
    # It scores 10,000 rows of train, from which classes of very few rows are missing.
    columns, labels = make_classes(3)
    many = np.tile(columns, (40, 1))
    of_many = np.zeros(40 * ROWS, dtype=np.uint8)
    of_many[:2] = 1, 2
    estimator = classifier_of_classes(max_iter=1, early_stopping=True, random_state=0)
    estimator.fit(many, of_many, X_val=columns, y_val=labels)
    assert np.isfinite(estimator.validation_score_).all()
