import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier

from fewshot.episodes import Episodes, EpisodeShape
from fewshot.evaluate import (
    episode_accuracies,
    fixed_episodes,
    mean_accuracy,
    nearest_neighbour_predictions,
)
from fewshot.testing import meta_test
from tests.fewshot.tiny import SETTINGS, SIDE, make_images, make_network

TEST = make_images(8, seed=2)


def batches(queries: int = 3) -> list[Episodes]:
    return list(fixed_episodes(TEST, EpisodeShape(3, 1, queries), 30, seed=0, stream="test"))


def test_confidence_interval_matches_scipy() -> None:
    values = torch.rand(600, generator=torch.Generator().manual_seed(0))
    found = mean_accuracy(values)
    array = values.double().numpy()
    low, high = norm.interval(0.95, array.mean(), array.std(ddof=1) / np.sqrt(600))
    assert found.mean == pytest.approx(array.mean())
    assert found.ci95 == pytest.approx((high - low) / 2, rel=1e-4)


def test_nearest_neighbour_matches_scikit_learn() -> None:
    episodes = batches()[0]
    found = nearest_neighbour_predictions(episodes)
    for support, query, classes in zip(episodes.support, episodes.query, found, strict=True):
        peer = KNeighborsClassifier(1).fit(support.flatten(1), episodes.support_labels)
        assert peer.predict(query.flatten(1)).tolist() == classes.tolist()


def test_accuracy_is_the_fraction_of_correct_predictions() -> None:
    episodes = batches()[0]
    predictions = episodes.query_labels.repeat(len(episodes.query), 1)
    predictions[0, :3] += 1
    assert episode_accuracies(predictions, episodes).tolist()[:2] == [pytest.approx(6 / 9), 1.0]


def test_fixed_episodes_have_the_requested_number_and_repeat() -> None:
    first, again = batches(), batches()
    assert sum(len(batch.query) for batch in first) == 30
    assert all(torch.equal(a.query, b.query) for a, b in zip(first, again, strict=True))


def test_meta_test_scores_all_predictors_on_the_same_episodes() -> None:
    network = make_network()
    accuracies, shown = meta_test(network, network, TEST, SETTINGS)
    assert list(accuracies) == ["1", "3"]
    for queries, found in accuracies.items():
        assert found["maml"] == found["untrained"]
        expected = [
            episode_accuracies(nearest_neighbour_predictions(each), each)
            for each in batches(int(queries))
        ]
        assert found["pixels"]["mean"] == pytest.approx(float(torch.cat(expected).mean()))
    assert shown["support"].shape == (3, 3, SIDE, SIDE)
    assert shown["query"].shape == (3, 9, SIDE, SIDE)
    assert shown["predictions"].shape == (3, 9)
    images = set(map(bytes, TEST.flatten(0, 1).flatten(1).numpy()))
    assert {bytes(each) for each in shown["query"].flatten(0, 1).flatten(1).numpy()} <= images
