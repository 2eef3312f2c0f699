import torch

from emm.models.shared_bottom import SharedBottom


def test_forward_is_the_equation_of_the_paper(tasks, case, plain, small):
    arguments = {"embedding_dim": 2, "bottom": [6, 4], "tower": [3], "dropout": 0.0}
    model = case.prepare(SharedBottom(small.inputs, tasks, **arguments))
    bottom = plain.chain(model.bottom, plain.front(model.front, case.dense, case.sparse))
    towers = [plain.chain(model.towers.layers, bottom, task) for task in range(tasks)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(towers, dim=1))


def test_without_a_bottom_the_towers_read_the_features(small):
    model = SharedBottom(small.inputs, 2, embedding_dim=2, bottom=[], tower=[], dropout=0.0)
    assert model(*small.batch(5)).shape == (5, 2)
