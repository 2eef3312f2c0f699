from emm.fusion.settings import FusionSettings, OutsideModel


def test_only_networks_from_outside_need_code() -> None:
    network = OutsideModel("income", factory="pool.mine:build", weights="a.safetensors")
    trees = OutsideModel("income", trees="model.txt")
    assert FusionSettings(pool=(network, trees)).factories == ("pool.mine:build",)
    assert FusionSettings().adapter is None
